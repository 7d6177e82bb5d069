// SPDX-License-Identifier: Apache-2.0
// Our values as D-Bus values: names, paths, errors, steps.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "bus/sdbus.h"
#include "daemon/engine_message.h"
#include "model/volume_id.h"

namespace volumecrypt::bus {

inline constexpr const char *kBusName = "org.example.VolumeCrypt";
inline constexpr const char *kRootPath = "/org/example/VolumeCrypt";

using Options = std::map<std::string, sdbus::Variant>;
using StepMaps = std::vector<Options>;

sdbus::ObjectPath volumePath(const std::string &id);
sdbus::ObjectPath jobPath(std::uint64_t number);
std::string errorBusName(base::ErrorCode code);
sdbus::Error toBusError(const base::Error &error);
StepMaps toMaps(const std::vector<daemon::StepText> &steps);

}  // namespace volumecrypt::bus

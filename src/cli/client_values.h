// SPDX-License-Identifier: Apache-2.0
// D-Bus properties as plain values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sdbus-c++/Types.h>

#include "cli/volume_info.h"

namespace volumecrypt::cli {

using Properties = std::map<std::string, sdbus::Variant>;

// A property of another type than expected throws sdbus::Error; one that is missing leaves its
// default (an older service).
ServiceInfo serviceFrom(const Properties &properties);
VolumeInfo volumeFrom(const std::string &path, const Properties &properties);
JobInfo jobFrom(const std::string &path, const Properties &properties);
PlanStep stepFrom(const Properties &step);
std::vector<PlanStep> stepsFrom(const std::vector<Properties> &steps);

// Any property of ours, for `watch`; null for a type that none of them has.
nlohmann::json jsonFrom(const sdbus::Variant &value);

// The last part of a job's path; the ID in a volume's path ("" for "/").
std::string jobNumber(const std::string &path);
std::string volumeIdOf(const std::string &path);

}  // namespace volumecrypt::cli

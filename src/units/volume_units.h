// SPDX-License-Identifier: Apache-2.0
// All units of the declared volumes: what volumecrypt-generator writes.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/result.h"
#include "model/volume_spec.h"
#include "units/relations.h"
#include "units/unit_file.h"

namespace volumecrypt::units {

// The files below this directory name the declared devices by their path below /dev and say whose
// they are; 90-volumecrypt.rules asks for them. systemd ignores the directory.
inline constexpr std::string_view kDevicesDirectory = "volumecrypt-devices";

// Everything for one volume. InvalidConfig when a value cannot be said in a unit file, or when the
// volume waits for itself.
base::Result<std::vector<UnitFile>> volumeUnits(const model::VolumeSpec &volume,
                                                const Relations &relations,
                                                const UnitDirectories &directories);

struct Refusal {
    model::VolumeId volume;
    base::Error error;
};

struct GeneratedUnits {
    std::vector<UnitFile> files;  // by path, each path once
    std::vector<Refusal> refusals;
};

// Everything for all of them. A volume that is refused has no unit; the others do not suffer.
// `linkTarget`: where key files lead that are links; nothing is asked of the disk without.
GeneratedUnits generateUnits(const std::vector<model::VolumeSpec> &volumes,
                             const UnitDirectories &directories, LinkTarget linkTarget = {});

}  // namespace volumecrypt::units

// SPDX-License-Identifier: Apache-2.0
// What starts the units of a volume, for how long its devices are waited for, and by which names
// udev knows them.
#pragma once

#include <vector>

#include "model/volume_spec.h"
#include "units/boot_role.h"
#include "units/unit_file.h"

namespace volumecrypt::units {

void addLinks(std::vector<UnitFile> &files, const BootRole &role,
              const UnitDirectories &directories);
void addTimeouts(std::vector<UnitFile> &files, const model::VolumeSpec &volume,
                 const BootRole &role);
void addDeviceMarks(std::vector<UnitFile> &files, const model::VolumeSpec &volume,
                    const BootRole &role);

}  // namespace volumecrypt::units

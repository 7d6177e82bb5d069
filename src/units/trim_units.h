// SPDX-License-Identifier: Apache-2.0
// When unused blocks of a mounted volume are discarded.
#pragma once

#include <vector>

#include "model/volume_spec.h"
#include "units/boot_role.h"
#include "units/unit_file.h"

namespace volumecrypt::units {

// The drop-ins of volumecrypt-trim@ID.timer and .service, and the link by which the mount starts
// the timer. Nothing for a volume that is not trimmed.
void addTrim(std::vector<UnitFile> &files, const model::VolumeSpec &volume, const BootRole &role,
             const UnitDirectories &directories);

}  // namespace volumecrypt::units

// SPDX-License-Identifier: Apache-2.0
// Volumes that are mounted below another one: systemd unmounts them with it, and mounts none of
// them again by itself.
#pragma once

#include <string>
#include <vector>

#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

// The units that mount what lies below the mount point of `volume`, of volumes that are open; the
// upper before the lower.
std::vector<std::string> nestedMountUnits(const Volume &volume,
                                          const std::vector<VolumePointer> &all);

}  // namespace volumecrypt::daemon

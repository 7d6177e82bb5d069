// SPDX-License-Identifier: Apache-2.0
// What udev said about a block device, and whether it concerns a volume.
#pragma once

#include <string>
#include <vector>

#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

struct DeviceEvent {
    std::string action;              // add, change, remove, …
    std::string node;                // /dev/vda4
    std::vector<std::string> links;  // /dev/disk/by-…
    std::string mapping;             // device-mapper name; empty for other devices
};

// The volume's device by any of its names, or its mapping.
bool concerns(const DeviceEvent &event, const Volume &volume);

}  // namespace volumecrypt::daemon

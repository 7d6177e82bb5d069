// SPDX-License-Identifier: Apache-2.0
// What of ours the machine has now, whatever the configuration says: generated units, mappings and
// their mounts. Read from /run, /sys and /proc; no device is touched.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/mount_info.h"
#include "model/system_paths.h"
#include "model/volume_id.h"

namespace volumecrypt::daemon {

struct SystemView {
    // Volumes that the generator knew when it ran last, with the mount or swap unit of each.
    std::map<model::VolumeId, std::set<std::string>> generated;
    // Volumes with a mapping, with the mount units of where it is mounted.
    std::map<model::VolumeId, std::set<std::string>> mapped;
};

SystemView readSystemView(const model::SystemPaths &paths);

// What the kernel calls a device in its table of mounts.
struct DeviceNames {
    std::string number;           // MAJOR:MINOR; empty when there is no such device
    std::set<std::string> paths;  // /dev/mapper/luks2-u-data, /dev/dm-3

    // By its number; btrfs has none of its own, and is told by its source.
    [[nodiscard]] bool isMountedBy(const base::MountEntry &mount) const;
};

// The first line of a file in sysfs; empty when it cannot be read.
std::string sysfsLine(const std::string &path);

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// What of ours the machine has now, whatever the configuration says: generated units, mappings and
// their mounts. Read from /run, /sys and /proc; no device is touched.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

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

// Whether anything is mounted there, from the same text.
bool isMountPoint(const std::string &mountinfo, const std::string &where);

// Where the device "MAJOR:MINOR" is mounted, from the text of /proc/self/mountinfo.
std::vector<std::string> mountPointsOf(const std::string &mountinfo, const std::string &device);

// The first line of a file in sysfs; empty when it cannot be read.
std::string sysfsLine(const std::string &path);

}  // namespace volumecrypt::daemon

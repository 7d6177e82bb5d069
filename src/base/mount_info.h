// SPDX-License-Identifier: Apache-2.0
// Which device is mounted at a directory, by /proc/self/mountinfo.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volumecrypt::base {

struct MountEntry {
    std::string id;      // of the mount
    std::string parent;  // the mount that it lies on
    std::string device;  // MAJOR:MINOR of the file system; MAJOR 0: of none in particular (btrfs)
    std::string where;
    std::string options;        // of this mount: rw,nosuid,relatime
    std::string source;         // /dev/mapper/luks2-STATE
    std::string type;           // ext4
    bool readOnly = false;      // the file system itself
    bool readOnlyHere = false;  // this mount of it, or all as this process sees them
};

// Every mount, in the order of the text.
std::vector<MountEntry> parseMounts(std::string_view mountinfo);

// The mount that whoever goes to `where` comes to, when it is mounted exactly there: nothing lies
// over it, at the same place or above. nullptr when there is none.
const MountEntry *mountReachedAt(const std::vector<MountEntry> &mounts, std::string_view where);

// The mount on top at exactly this directory, from the text of a mountinfo file.
std::optional<MountEntry> mountAt(std::string_view mountinfo, std::string_view where);

// What is mounted at or above `path`, nearest to it: where what lies at `path` is kept.
std::optional<MountEntry> mountOver(std::string_view mountinfo, std::string_view path);

// Every mount of the block device `device` (both may be links), in the order of the text.
std::vector<MountEntry> mountsOf(std::string_view mountinfo, const std::string &device);

// Whether what is mounted at `where` is the block device `device` (both may be links). A directory
// or device that does not exist is no mount. Io.
Result<bool> isMountOf(const std::string &where, const std::string &device);

}  // namespace volumecrypt::base

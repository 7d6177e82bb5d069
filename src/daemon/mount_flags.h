// SPDX-License-Identifier: Apache-2.0
// The mount options that the kernel keeps for each mount, whatever its file system: ro, nosuid,
// nodev, noexec and when access times are written. These a remount changes for sure; what it makes
// of others is the file system's affair.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::daemon {

bool isMountFlag(std::string_view option);

// What to change, by the names of options, for a mount with the options `actual` to be as
// `declared`. Nothing when an option such as `user` makes that depend on more than the list. A
// remount keeps how access times are written when nothing is said of them: so does this.
std::optional<std::vector<std::string>> flagsToChange(const std::vector<std::string> &declared,
                                                      std::string_view actual);

// What distinguishes two texts of a mount unit.
enum class MountUnitChange {
    Flags,   // nothing but such options
    Other,   // the same is mounted, in another way or order
    Content  // what is mounted, where, or its type
};
MountUnitChange compareMountUnits(const std::string &before, const std::string &after);

}  // namespace volumecrypt::daemon

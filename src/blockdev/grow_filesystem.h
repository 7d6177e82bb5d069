// SPDX-License-Identifier: Apache-2.0
// Growing a mounted file system to the size of its device, by the distribution's own programs.
#pragma once

#include <string>

#include "base/mount_info.h"
#include "base/result.h"

namespace volumecrypt::blockdev {

// Whether this file system (ext4, xfs, btrfs) can be grown, mounted as it is. Unsupported, with
// what to do in the hint.
base::Status expectGrowable(const base::MountEntry &mount);

// Whether it became larger; a file system that fills its device already is left as it is. A grow
// that was interrupted is gone on with by the next one. `device` is what is mounted there. Io with
// the program's own words.
base::Result<bool> growFilesystem(const base::MountEntry &mount, const std::string &device);

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// Making and growing file systems, by the distribution's own programs.
#pragma once

#include <cstdint>
#include <string>

#include "base/mount_info.h"
#include "base/result.h"
#include "model/volume_spec.h"

namespace volumecrypt::blockdev {

// The fewest bytes of which mkfs makes one, where sectors have so many; 0 for none. Below that it
// certainly refuses, whatever its version.
std::uint64_t smallestFilesystem(model::FilesystemType type, unsigned sectorSize);

// Whether the mkfs program is installed. Unsupported, with the package in the hint.
base::Status expectMkfs(model::FilesystemType type);

// On `path`, a mapping or a plain device that the caller has proven to be blank. Unsupported when
// the mkfs program is not installed (the hint names the package), Io with mkfs' own words.
base::Status makeFilesystem(const model::FilesystemSpec &spec, const std::string &path);

// Whether this file system (ext4, xfs, btrfs) can be grown, mounted as it is. Unsupported, with
// what to do in the hint.
base::Status expectGrowable(const base::MountEntry &mount);

// Whether it became larger; a file system that fills its device already is left as it is. A grow
// that was interrupted is gone on with by the next one. `device` is what is mounted there. Io with
// the program's own words.
base::Result<bool> growFilesystem(const base::MountEntry &mount, const std::string &device);

}  // namespace volumecrypt::blockdev

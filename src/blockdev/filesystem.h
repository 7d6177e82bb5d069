// SPDX-License-Identifier: Apache-2.0
// Making file systems, by the distribution's own mkfs programs.
#pragma once

#include <cstdint>
#include <string>

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

}  // namespace volumecrypt::blockdev

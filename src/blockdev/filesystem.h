// SPDX-License-Identifier: Apache-2.0
// Making file systems, by the distribution's own mkfs programs.
#pragma once

#include <string>

#include "base/result.h"
#include "model/volume_spec.h"

namespace volumecrypt::blockdev {

// On `path`, a mapping or a plain device that the caller has proven to be blank. Unsupported when
// the mkfs program is not installed (the hint names the package), Io with mkfs' own words.
base::Status makeFilesystem(const model::FilesystemSpec &spec, const std::string &path);

}  // namespace volumecrypt::blockdev

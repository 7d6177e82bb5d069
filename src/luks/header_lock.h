// SPDX-License-Identifier: Apache-2.0
// libcryptsetup's own lock of a header, for writing to it without libcryptsetup.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::luks {

// Whoever reads or writes the header of `path` through libcryptsetup waits until this goes; held
// by this process, its own calls of libcryptsetup on that device would wait as well, for ever. Busy
// when somebody else holds it for more than 5 s. Io.
base::Result<base::UniqueFd> lockHeader(const std::string &path);

}  // namespace volumecrypt::luks

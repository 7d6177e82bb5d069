// SPDX-License-Identifier: Apache-2.0
// The header areas of a device in a memfd: read once, checked there, and used from there.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::luks {

// An empty memfd. Io.
base::Result<base::UniqueFd> newImage();

// Zeros in place of the `size` bytes at `offset` of an image. Io.
base::Status leaveOut(int image, std::uint64_t offset, std::uint64_t size);

// `size` bytes at `offset` of `device` to the same place in an image, without passing through this
// process. `what` they are is for the error. Io.
base::Status copyIn(int image, int device, std::uint64_t offset, std::uint64_t size,
                    std::string_view what);

}  // namespace volumecrypt::luks

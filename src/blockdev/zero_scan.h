// SPDX-License-Identifier: Apache-2.0
// Whether a device is zero where it matters and where chance looks.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace volumecrypt::blockdev {

inline constexpr std::uint64_t kEndLength = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kSampleLength = 4096;
inline constexpr std::uint64_t kSampleCount = 256;

// Every byte of the range is zero. Io.
base::Result<bool> isZero(int fd, std::uint64_t offset, std::uint64_t length);

// The first and last kEndLength bytes are zero, and so are kSampleCount random blocks of
// kSampleLength between them; all of it where that is no more. Io.
base::Result<bool> looksZero(int fd, std::uint64_t size);

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// Where the parts of the headers that we make lie.
#pragma once

#include <cstdint>

namespace volumecrypt::luks {

// One copy; 32 key slots with a token each fit.
inline constexpr std::uint64_t kMetadataSize = std::uint64_t{128} << 10;
inline constexpr std::uint64_t kDataOffset = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kAlignment = std::uint64_t{1} << 20;

}  // namespace volumecrypt::luks

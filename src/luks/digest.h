// SPDX-License-Identifier: Apache-2.0
// Hashes of byte ranges, by libcrypto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::luks {

inline constexpr std::size_t kSha256Size = 32;

// SHA-256 of `head`, followed by `size` bytes of the file from `offset` on, which are read piece by
// piece: what is hashed may be large, and never has to be in memory as a whole. Io.
base::Result<std::string> sha256OfRange(std::string_view head, int fd, std::uint64_t offset,
                                        std::uint64_t size);

// The hash of `parts`, one after the other. Unsupported when libcrypto does not know `algorithm`
// ("sha256").
base::Result<std::string> hashOf(const std::string &algorithm,
                                 std::initializer_list<std::string_view> parts);

inline std::string_view asText(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Hashes of byte ranges, by libcrypto.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::luks {

inline constexpr std::size_t kSha256Size = 32;

// The hash of `parts`, one after the other. Unsupported when libcrypto does not know `algorithm`
// ("sha256").
base::Result<std::string> hashOf(const std::string &algorithm,
                                 std::initializer_list<std::string_view> parts);

inline std::string_view asText(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

}  // namespace volumecrypt::luks

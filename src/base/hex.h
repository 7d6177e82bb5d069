// SPDX-License-Identifier: Apache-2.0
// Bytes as hexadecimal digits.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace volumecrypt::base {

// Two lower-case digits for each byte.
std::string toHex(std::string_view bytes);

// Digits of either case; nothing when it is not an even number of them.
std::optional<std::string> fromHex(std::string_view text);

}  // namespace volumecrypt::base

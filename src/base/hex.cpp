// SPDX-License-Identifier: Apache-2.0
// Digit by digit.
#include "base/hex.h"

namespace volumecrypt::base {

std::string toHex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const char c : bytes) {
        text += digits[static_cast<unsigned char>(c) >> 4U];
        text += digits[static_cast<unsigned char>(c) & 15U];
    }
    return text;
}

}  // namespace volumecrypt::base

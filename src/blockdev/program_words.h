// SPDX-License-Identifier: Apache-2.0
// What a program wrote, for an error message.
#pragma once

#include <string>

namespace volumecrypt::blockdev {

// On one line, without control characters, at most 1000 bytes.
inline std::string oneLine(const std::string &output) {
    constexpr std::size_t kLimit = 1000;
    std::string text;
    for (const char c : output) {
        if (c == '\n' || c == '\r') {
            if (!text.empty() && !text.ends_with("; ")) text += "; ";
        } else if (static_cast<unsigned char>(c) >= ' ') {
            text += c;
        }
    }
    while (text.ends_with("; ")) text.resize(text.size() - 2);
    return text.substr(0, kLimit);
}

}  // namespace volumecrypt::blockdev

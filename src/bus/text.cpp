// SPDX-License-Identifier: Apache-2.0
// UTF-8 as libsystemd checks it: shortest forms only, no surrogates, no noncharacters.
#include "bus/text.h"

#include <cstdint>

namespace volumecrypt::bus {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool isCarried(std::uint32_t character, std::size_t length) {
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (character < kSmallest[length] || character > 0x10ffff) return false;
    if (character >= 0xd800 && character <= 0xdfff) return false;
    if (character >= 0xfdd0 && character <= 0xfdef) return false;
    return (character & 0xfffeU) != 0xfffe;
}

// Bytes of the character at the start of `text`; 0 when there is none that can be carried.
std::size_t characterLength(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > text.size()) return 0;
    std::uint32_t character = first & (0x7fU >> length);
    for (const char byte : text.substr(1, length - 1)) {
        const auto next = static_cast<unsigned char>(byte);
        if ((next & 0xc0U) != 0x80) return 0;
        character = character << 6U | (next & 0x3fU);
    }
    return isCarried(character, length) ? length : 0;
}

}  // namespace

std::string busText(std::string_view text) {
    text = text.substr(0, text.find('\0'));
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = characterLength(text);
        result += length == 0 ? kReplacement : text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result;
}

}  // namespace volumecrypt::bus

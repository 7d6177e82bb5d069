// SPDX-License-Identifier: Apache-2.0
// UTF-8 decoding for display.
#include "base/display_text.h"

#include <array>

namespace volumecrypt::base {
namespace {

// What moves the cursor, hides or reorders text.
bool isUnsafe(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

// "\x1b"
void appendEscaped(std::string &text, unsigned char byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += "\\x";
    text += digits[byte >> 4U];
    text += digits[byte & 0xFU];
}

}  // namespace

std::optional<Character> decodeCharacter(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return Character{first, 1};
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return std::nullopt;
    char32_t value = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) return std::nullopt;
        value = (value << 6) | (byte(i) & 0x3FU);
    }
    constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < kSmallest.at(length) || surrogate || value > 0x10FFFF) return std::nullopt;
    return Character{value, length};
}

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto character = decodeCharacter(text);
        const std::size_t length = character ? character->bytes : 1;
        if (character && !isUnsafe(character->value)) {
            result += text.substr(0, length);
        } else {
            for (const char c : text.substr(0, length))
                appendEscaped(result, static_cast<unsigned char>(c));
        }
        text.remove_prefix(length);
    }
    return result;
}

std::string printableLines(std::string_view text) {
    std::string result;
    for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos;
         text.remove_prefix(end + 1))
        result += printable(text.substr(0, end)) + '\n';
    return result + printable(text);
}

std::string sentence(std::string text) {
    if (!text.ends_with('.') && !text.ends_with('?') && !text.ends_with('!')) text += '.';
    return text;
}

}  // namespace volumecrypt::base

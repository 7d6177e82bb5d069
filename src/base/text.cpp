// SPDX-License-Identifier: Apache-2.0
// UTF-8 by utfcpp, without its exceptions; hexadecimal digits; escapes for display.
#include "base/text.h"

#include <algorithm>

#include <utf8/unchecked.h>

namespace volumecrypt::base {
namespace {

constexpr std::size_t kLongestCharacter = 4;
constexpr std::size_t kLongestOutput = 1000;

// What hides or reorders text.
bool isMark(char32_t c) {
    return (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

std::size_t lengthOfFirst(std::string_view text) {
    const auto character = decodeCharacter(text);
    return character ? character->bytes : 1;
}

int digitValue(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::optional<Character> decodeCharacter(std::string_view text) {
    const char *start = text.data();
    const char *end = start + std::min(text.size(), kLongestCharacter);
    // It points to the first sequence that is none, which may be one of the next characters.
    if (start == end || utf8::find_invalid(start, end) == start) return std::nullopt;
    const char *next = start;
    const char32_t value = utf8::unchecked::next(next);
    return Character{value, static_cast<std::size_t>(next - start)};
}

bool isUtf8(std::string_view text) {
    return utf8::is_valid(text.begin(), text.end());
}

bool isControlCharacter(char32_t character) {
    return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

std::string_view beginningOf(std::string_view text, std::size_t limit) {
    std::size_t end = 0;
    while (end < text.size()) {
        const std::size_t next = end + lengthOfFirst(text.substr(end));
        if (next > limit) break;
        end = next;
    }
    return text.substr(0, end);
}

std::string_view withoutLastCharacter(std::string_view text) {
    std::size_t last = 0;
    for (std::size_t at = 0; at < text.size(); at += lengthOfFirst(text.substr(at))) last = at;
    return text.substr(0, last);
}

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto character = decodeCharacter(text);
        const std::string_view bytes = text.substr(0, character ? character->bytes : 1);
        if (character && !isControlCharacter(character->value) && !isMark(character->value))
            result += bytes;
        else
            for (const char byte : bytes) result.append("\\x").append(toHex({&byte, 1}));
        text.remove_prefix(bytes.size());
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

std::string printableText(std::string_view text, std::size_t limit) {
    std::string result(beginningOf(text, limit));
    if (result.size() < text.size()) result += "...";
    std::ranges::replace_if(result, isControlByte, ' ');
    return result;
}

std::string joinedLines(std::string_view output) {
    std::string text;
    for (const char c : output) {
        if (c == '\n' || c == '\r') {
            if (!text.empty() && !text.ends_with("; ")) text += "; ";
        } else if (static_cast<unsigned char>(c) >= ' ') {
            text += c;
        }
    }
    while (text.ends_with("; ")) text.resize(text.size() - 2);
    return std::string(beginningOf(text, kLongestOutput));
}

std::string sentence(std::string text) {
    if (!text.ends_with('.') && !text.ends_with('?') && !text.ends_with('!')) text += '.';
    return text;
}

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

std::optional<std::string> fromHex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digitValue(text[i]);
        const int low = digitValue(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// UTF-8 decoding for display, and sizes and times for people.
#include "cli/text.h"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <wchar.h>

namespace volumecrypt::cli {
namespace {

struct Character {
    char32_t value = 0;
    std::size_t bytes = 1;
};

// The well-formed character at the start of `text`; nothing when there is none.
std::optional<Character> decode(std::string_view text) {
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

// What moves the cursor, hides or reorders text.
bool isUnsafe(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto character = decode(text);
        const std::size_t length = character ? character->bytes : 1;
        if (character && !isUnsafe(character->value)) {
            result += text.substr(0, length);
        } else {
            for (const char c : text.substr(0, length))
                result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
        text.remove_prefix(length);
    }
    return result;
}

std::string field(std::string_view text) {
    return text.empty() ? "-" : printable(text);
}

std::size_t displayWidth(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const auto character = decode(text);
        // wcwidth knows nothing beyond ASCII in the C locale: then each character counts for one.
        const int columns = character ? ::wcwidth(static_cast<wchar_t>(character->value)) : 1;
        width += columns < 0 ? 1 : static_cast<std::size_t>(columns);
        text.remove_prefix(character ? character->bytes : 1);
    }
    return width;
}

std::string humanBytes(std::uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} B", bytes);
    constexpr std::array<const char *, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string humanSeconds(std::uint64_t seconds) {
    if (seconds < 120) return fmt::format("{} s", seconds);
    if (seconds < 7200) return fmt::format("{} min", seconds / 60);
    return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

}  // namespace volumecrypt::cli

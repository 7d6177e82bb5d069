// SPDX-License-Identifier: Apache-2.0
// Sizes, times and widths for people.
#include "cli/text.h"

#include <array>

#include <fmt/format.h>
#include <wchar.h>

namespace volumecrypt::cli {

std::string field(std::string_view text) {
    return text.empty() ? "-" : printable(text);
}

std::size_t displayWidth(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const auto character = base::decodeCharacter(text);
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

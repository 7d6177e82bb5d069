// SPDX-License-Identifier: Apache-2.0
// Sizes and percentages as Talos writes them.
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "config/text.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

// The number at the front of `text`, which loses it; digits with at most one point.
std::optional<double> takeNumber(std::string_view &text) {
    const std::size_t length = std::min(text.size(), text.find_first_not_of("0123456789."));
    double value = 0;
    const char *end = text.data() + length;
    const auto [rest, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    if (length == 0 || error != std::errc() || rest != end) return std::nullopt;
    text.remove_prefix(length);
    return value;
}

constexpr std::string_view kSizes = "kmgtpe";

// 0: unknown.
double sizeUnit(std::string unit) {
    if (unit.ends_with('b')) unit.pop_back();
    if (unit.empty()) return 1;
    const bool binary = unit.size() == 2 && unit[1] == 'i';
    const std::size_t power = kSizes.find(unit[0]);
    if ((unit.size() != 1 && !binary) || power == std::string_view::npos) return 0;
    return std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
}

constexpr std::array<std::pair<std::string_view, double>, 7> kDurations{{{"ns", 1e-9},
                                                                         {"us", 1e-6},
                                                                         {"\xC2\xB5s", 1e-6},
                                                                         {"ms", 1e-3},
                                                                         {"s", 1},
                                                                         {"m", 60},
                                                                         {"h", 3600}}};

double durationUnit(std::string_view unit) {
    for (const auto &[name, seconds] : kDurations)
        if (name == unit) return seconds;
    return 0;
}

}  // namespace

std::optional<std::uint64_t> parseByteSize(std::string_view text) {
    constexpr double kLargest = 9e18;
    const auto number = takeNumber(text);
    while (text.starts_with(' ')) text.remove_prefix(1);
    const double unit = sizeUnit(lowerCase(text));
    if (!number || unit == 0 || *number * unit > kLargest) return std::nullopt;
    return static_cast<std::uint64_t>(*number * unit);
}

std::optional<std::chrono::seconds> parseGoDuration(std::string_view text) {
    constexpr double kLongest = 3e9;  // a century, and what Go's own type holds is not much more
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return std::chrono::seconds(0);
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        const auto number = takeNumber(text);
        const std::string_view name = text.substr(0, text.find_first_of("0123456789."));
        const double unit = durationUnit(name);
        if (!number || unit == 0) return std::nullopt;
        text.remove_prefix(name.size());
        total += *number * unit;
    }
    if (total > kLongest) return std::nullopt;
    const auto seconds = static_cast<std::int64_t>(std::ceil(total));
    return std::chrono::seconds(negative ? -seconds : seconds);
}

}  // namespace volumecrypt::config

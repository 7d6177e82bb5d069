// SPDX-License-Identifier: Apache-2.0
// JSON that somebody else wrote (a disk, a child process, a file): bounded before it becomes a
// tree, and numbers that are taken only for what they are. Errors as JSON, in both directions.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace volumecrypt::base {

// nlohmann's parser takes any depth, but copying, comparing and writing its trees recurse: 100,000
// brackets end the process.
inline constexpr unsigned kDeepestJson = 32;
inline constexpr std::size_t kLongestJson = std::size_t{4} << 20;  // LUKS2's largest metadata area

bool isNestedTooDeep(std::string_view text);

// Discarded (is_discarded), as by the library's own parse without exceptions, when it is no JSON,
// is longer than kLongestJson or nested deeper than kDeepestJson.
nlohmann::json parseForeignJson(std::string_view text);
// With the members of objects in the order of the text.
nlohmann::ordered_json parseForeignJsonInOrder(std::string_view text);

// Nothing unless `value` is an integer that fits: the library's get() turns 1e30, -1 and true into
// some number, by casts that are undefined.
template <std::integral Integer, typename Json>
std::optional<Integer> integerIn(const Json &value) {
    if (value.is_number_unsigned()) {
        const auto number = value.template get<std::uint64_t>();
        if (std::in_range<Integer>(number)) return static_cast<Integer>(number);
    } else if (value.is_number_integer()) {
        const auto number = value.template get<std::int64_t>();
        if (std::in_range<Integer>(number)) return static_cast<Integer>(number);
    }
    return std::nullopt;
}

// Of an array of them.
template <std::integral Integer, typename Json>
std::optional<std::vector<Integer>> integersIn(const Json &list) {
    if (!list.is_array()) return std::nullopt;
    std::vector<Integer> numbers;
    for (const Json &item : list) {
        const auto number = integerIn<Integer>(item);
        if (!number) return std::nullopt;
        numbers.push_back(*number);
    }
    return numbers;
}

// An error as our programs tell it to one another: {"code", "message", "hint", "retry", "slot"};
// the slot is null where there is none.
nlohmann::json toJson(const Error &error);
// The rest of such an object is ignored, and so is a member that is missing or of another type. A
// code that this version does not know is Internal.
Error errorIn(const nlohmann::json &object);

}  // namespace volumecrypt::base

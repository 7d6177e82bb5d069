// SPDX-License-Identifier: Apache-2.0
// Look-ups in JSON with checks of type and range.
#include "luks/json_reader.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace volumecrypt::luks {
namespace {

// Decimal digits only, without leading zeros: as libcryptsetup writes them.
std::optional<std::uint64_t> parseDecimal(std::string_view text) {
    std::uint64_t value = 0;
    const char *end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, value);
    if (problem != std::errc() || stop != end) return std::nullopt;
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    return value;
}

std::optional<unsigned> parseSmall(std::string_view text, unsigned limit) {
    const auto value = parseDecimal(text);
    if (!value || *value >= limit) return std::nullopt;
    return static_cast<unsigned>(*value);
}

// The texts of a header are names in ASCII; what else stands there only ends up in messages.
std::string inAscii(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace

tl::unexpected<base::Error> JsonReader::problem(const std::string &what) const {
    return base::fail(base::ErrorCode::HeaderCorrupt, where_ + ": " + what);
}

bool JsonReader::has(const char *name) const {
    return value_->contains(name);
}

base::Result<JsonReader> JsonReader::object(const char *name) const {
    const auto found = value_->find(name);
    if (found == value_->end() || !found->is_object())
        return problem(std::string("no object ") + name);
    return JsonReader(*found, where_ + "." + name);
}

base::Result<std::string> JsonReader::text(const char *name) const {
    const auto found = value_->find(name);
    if (found == value_->end() || !found->is_string())
        return problem(std::string("no text ") + name);
    return inAscii(found->get<std::string>());
}

base::Result<std::uint64_t> JsonReader::number(const char *name, std::uint64_t limit) const {
    const auto found = value_->find(name);
    if (found == value_->end() || !found->is_number_unsigned())
        return problem(std::string("no number ") + name);
    const auto value = found->get<std::uint64_t>();
    if (value > limit) return problem(std::string(name) + " is too large");
    return value;
}

base::Result<std::uint64_t> JsonReader::bigNumber(const char *name) const {
    VC_ASSIGN(const std::string digits, text(name));
    const auto value = parseDecimal(digits);
    if (!value) return problem(std::string(name) + " is no number");
    return *value;
}

base::Result<std::vector<std::string>> JsonReader::texts(const char *name) const {
    const auto found = value_->find(name);
    if (found == value_->end() || !found->is_array())
        return problem(std::string("no list ") + name);
    std::vector<std::string> list;
    for (const nlohmann::json &item : *found) {
        if (!item.is_string()) return problem(std::string(name) + " holds something but text");
        list.push_back(inAscii(item.get<std::string>()));
    }
    return list;
}

base::Result<std::vector<unsigned>> JsonReader::numbers(const char *name, unsigned limit) const {
    VC_ASSIGN(const std::vector<std::string> list, texts(name));
    std::vector<unsigned> values;
    for (const std::string &item : list) {
        const auto value = parseSmall(item, limit);
        if (!value) return problem(std::string(name) + " holds a wrong number");
        values.push_back(*value);
    }
    return values;
}

base::Result<std::vector<std::pair<unsigned, JsonReader>>> JsonReader::members(
    unsigned limit) const {
    std::vector<std::pair<unsigned, JsonReader>> list;
    for (const auto &[name, value] : value_->items()) {
        const auto number = parseSmall(name, limit);
        if (!number) return problem("a member has a wrong number");
        if (!value.is_object()) return problem("member " + name + " is no object");
        list.emplace_back(*number, JsonReader(value, where_ + "." + name));
    }
    return list;
}

}  // namespace volumecrypt::luks

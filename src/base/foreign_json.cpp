// SPDX-License-Identifier: Apache-2.0
// Bounded parsing of JSON, and errors as JSON.
#include "base/foreign_json.h"

#include <string>

namespace volumecrypt::base {
namespace {

template <typename Json>
Json parseBounded(std::string_view text) {
    if (text.size() > kLongestJson || isNestedTooDeep(text)) return Json(Json::value_t::discarded);
    return Json::parse(text, nullptr, false);
}

}  // namespace

// Of text that is no JSON it may say anything: the parser refuses that.
bool isNestedTooDeep(std::string_view text) {
    unsigned depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted && c == '\\') {
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == '[')) {
            if (++depth > kDeepestJson) return true;
        } else if (!quoted && (c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return false;
}

nlohmann::json parseForeignJson(std::string_view text) {
    return parseBounded<nlohmann::json>(text);
}

nlohmann::ordered_json parseForeignJsonInOrder(std::string_view text) {
    return parseBounded<nlohmann::ordered_json>(text);
}

nlohmann::json toJson(const Error &error) {
    return {{"code", errorName(error.code)},
            {"message", error.message},
            {"hint", error.hint},
            {"retry", error.retry},
            {"slot", error.slot ? nlohmann::json(*error.slot) : nlohmann::json(nullptr)}};
}

Error errorIn(const nlohmann::json &object) {
    const auto member = [&object](const char *name) {
        const auto found = object.is_object() ? object.find(name) : object.end();
        return found == object.end() ? nlohmann::json() : *found;
    };
    const auto text = [&member](const char *name) {
        const nlohmann::json value = member(name);
        return value.is_string() ? value.get<std::string>() : std::string();
    };
    Error error(errorFromName(text("code")).value_or(ErrorCode::Internal), text("message"),
                text("hint"));
    error.retry = member("retry") == true;
    // Numbers of slots are small; a larger one is nobody's.
    error.slot = integerIn<std::uint16_t>(member("slot"));
    return error;
}

}  // namespace volumecrypt::base

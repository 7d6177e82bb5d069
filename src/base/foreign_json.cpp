// SPDX-License-Identifier: Apache-2.0
// Bounded parsing of JSON, and errors as JSON.
#include "base/foreign_json.h"

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

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// Names of nodes: UUIDs in any case, and other names with escapes.
#include <algorithm>
#include <cstddef>

#include "kms_server/key_store.h"

namespace volumecrypt::kms_server {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::string_view kUrn = "urn:uuid:";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string inLowerCase(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), lower);
    return result;
}
std::string inUpperCase(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), upper);
    return result;
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

bool isUuid(std::string_view text) {
    constexpr std::string_view pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.size() != pattern.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = lower(text[i]);
        const bool hex = isDigit(c) || (c >= 'a' && c <= 'f');
        if (pattern[i] == '-' ? c != '-' : !hex) return false;
    }
    return true;
}

bool isPlain(char c) {
    const char small = lower(c);
    return isDigit(c) || (small >= 'a' && small <= 'z') || c == '-' || c == '_' || c == '.';
}

std::string escaped(std::string_view name) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string result;
    for (const char c : name) {
        if (isPlain(c) && (c != '.' || !result.empty())) {
            result += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        result += {'%', digits[byte >> 4U], digits[byte & 15U]};
    }
    return result;
}

}  // namespace

std::vector<std::string> keyNamesOf(std::string_view node) {
    if (node.empty() || node.size() > kLongestName) return {};
    if (isUuid(node)) return {inLowerCase(node), inUpperCase(node)};
    return {escaped(node)};
}

bool isNameOf(std::string_view node, std::string_view name) {
    if (!isUuid(node)) return name == node;
    const std::string given = inLowerCase(name);
    const std::string uuid = inLowerCase(node);
    return given == uuid || given == std::string(kUrn) + uuid;
}

}  // namespace volumecrypt::kms_server

// SPDX-License-Identifier: Apache-2.0
// UTF-8 as libsystemd checks it.
#include "bus/text.h"

#include "base/text.h"

namespace volumecrypt::bus {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// libsystemd refuses noncharacters as well.
bool isCarried(char32_t character) {
    if (character >= 0xfdd0 && character <= 0xfdef) return false;
    return (character & 0xfffeU) != 0xfffe;
}

}  // namespace

std::string busText(std::string_view text) {
    text = text.substr(0, text.find('\0'));
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto character = base::decodeCharacter(text);
        const std::string_view bytes = text.substr(0, character ? character->bytes : 1);
        const bool carried = character && isCarried(character->value);
        result += carried ? bytes : kReplacement;
        text.remove_prefix(carried ? bytes.size() : 1);
    }
    return result;
}

}  // namespace volumecrypt::bus

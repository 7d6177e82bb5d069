// SPDX-License-Identifier: Apache-2.0
// Text checks and spelling suggestions.
#include "config/text.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/text.h"

namespace volumecrypt::config {
namespace {

constexpr std::size_t kLongestQuote = 64;

// By the mark that editors put first.
bool isUtf16(std::string_view text) {
    return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
}

// Number of insertions, deletions, replacements and swaps of neighbours between two words.
std::size_t editDistance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> previous(b.size() + 1);
    std::vector<std::size_t> current(b.size() + 1);
    std::iota(previous.begin(), previous.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = std::min(current[j], before[j - 2] + 1);
        }
        std::swap(before, previous);
        std::swap(previous, current);
    }
    return previous[b.size()];
}

}  // namespace

bool hasControlCharacter(std::string_view text) {
    while (!text.empty()) {
        const auto character = base::decodeCharacter(text);
        if (character && base::isControlCharacter(character->value)) return true;
        text.remove_prefix(character ? character->bytes : 1);
    }
    return false;
}

bool hasBlank(std::string_view text) {
    return text.find_first_of(" \t") != std::string_view::npos;
}

std::optional<TextFault> findTextFault(std::string_view text) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < text.size(); i += length) {
        const char byte = text[i];
        if (byte == '\r' && text.substr(i, 2) != "\r\n")
            return TextFault{i, "a carriage return without a line feed"};
        if (base::isControlByte(byte) && byte != '\t' && byte != '\n' && byte != '\r')
            return TextFault{
                i, "the control character 0x" + base::toHex({&byte, 1}) + " may not stand in YAML"};
        const auto character = base::decodeCharacter(text.substr(i));
        if (!character)
            return TextFault{i, isUtf16(text) ? "the file is UTF-16: save it as UTF-8"
                                              : "the file is not UTF-8"};
        length = character->bytes;
        if (text.substr(i, length) == kByteOrderMark)
            return TextFault{i, "a byte order mark in the middle of the file: remove it"};
    }
    return std::nullopt;
}

std::string withWholeEscapes(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto character = base::decodeCharacter(text);
        if (!character) result += '\xC2';
        const std::size_t length = character ? character->bytes : 1;
        result += text.substr(0, length);
        text.remove_prefix(length);
    }
    return result;
}

std::string printable(std::string_view text) {
    const std::string_view shown = base::beginningOf(text, kLongestQuote);
    std::string result;
    for (const char c : shown) {
        if (base::isControlByte(c))
            result.append("\\x").append(base::toHex({&c, 1}));
        else
            result += c;
    }
    if (shown.size() < text.size()) result += "…";
    return result;
}

std::string quote(std::string_view text) {
    return '"' + printable(text) + '"';
}

std::string listed(const std::vector<std::string> &words, std::string_view conjunction) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? fmt::format(" {} ", conjunction) : ", ";
        text += words[i];
    }
    return text;
}

std::optional<std::string_view> closest(std::string_view word,
                                        const std::vector<std::string_view> &candidates) {
    const std::string lower = lowerCase(word);
    std::optional<std::string_view> best;
    std::size_t bestDistance = 0;
    for (const std::string_view candidate : candidates) {
        const std::size_t allowed = std::min<std::size_t>(2, candidate.size() / 3);
        if (word.size() > candidate.size() + allowed) continue;
        const std::size_t distance = editDistance(lower, lowerCase(candidate));
        if (distance > allowed || (best && distance >= bestDistance)) continue;
        best = candidate;
        bestDistance = distance;
    }
    return best;
}

std::string lowerCase(std::string_view text) {
    std::string result(text);
    for (char &c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

}  // namespace volumecrypt::config

// SPDX-License-Identifier: Apache-2.0
// Text checks and spelling suggestions.
#include "config/text.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include <fmt/format.h>

namespace volumecrypt::config {
namespace {

constexpr std::size_t kLongestQuote = 64;

unsigned char byteAt(std::string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

bool isContinuation(unsigned char byte) {
    return (byte & 0xC0U) == 0x80U;
}

// By the mark that editors put first.
bool isUtf16(std::string_view text) {
    return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
}

// Length of the UTF-8 sequence at `at`; 0 when it is none (RFC 3629: shortest form, no surrogates).
std::size_t sequenceLength(std::string_view text, std::size_t at) {
    const unsigned char lead = byteAt(text, at);
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const unsigned char second = byteAt(text, at + 1);
    const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (second < low || second > high) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if (!isContinuation(byteAt(text, at + i))) return 0;
    return length;
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
    for (std::size_t i = 0; i < text.size(); ++i) {
        const unsigned char byte = byteAt(text, i);
        if (byte < 0x20 || byte == 0x7F) return true;
        if (byte == 0xC2 && byteAt(text, i + 1) >= 0x80 && byteAt(text, i + 1) < 0xA0) return true;
    }
    return false;
}

bool hasBlank(std::string_view text) {
    return text.find_first_of(" \t") != std::string_view::npos;
}

std::optional<TextFault> findTextFault(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char byte = byteAt(text, i);
        if (byte == '\r' && byteAt(text, i + 1) != '\n')
            return TextFault{i, "a carriage return without a line feed"};
        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F)
            return TextFault{
                i, fmt::format("the control character 0x{:02x} may not stand in YAML", byte)};
        const std::size_t length = sequenceLength(text, i);
        if (length == 0)
            return TextFault{i, isUtf16(text) ? "the file is UTF-16: save it as UTF-8"
                                              : "the file is not UTF-8"};
        if (text.substr(i, length) == kByteOrderMark)
            return TextFault{i, "a byte order mark in the middle of the file: remove it"};
        i += length;
    }
    return std::nullopt;
}

std::string withWholeEscapes(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = sequenceLength(text, i);
        if (length == 0) result += '\xC2';
        result.append(text.substr(i, std::max<std::size_t>(length, 1)));
        i += std::max<std::size_t>(length, 1);
    }
    return result;
}

std::string printable(std::string_view text) {
    std::string_view shown = text;
    if (shown.size() > kLongestQuote) {
        std::size_t end = kLongestQuote;
        while (end > 0 && isContinuation(byteAt(text, end))) --end;
        shown = text.substr(0, end);
    }
    std::string result;
    for (const char c : shown) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F)
            result += fmt::format("\\x{:02x}", byte);
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

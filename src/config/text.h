// SPDX-License-Identifier: Apache-2.0
// Small questions about text from the configuration: control characters, UTF-8, spelling, quoting.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::config {

// U+FEFF, with which some editors begin a file.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// C0, DEL and C1 (in UTF-8).
bool hasControlCharacter(std::string_view text);

// Space or tab; a line end is a control character.
bool hasBlank(std::string_view text);

// The first byte that is no UTF-8 or that may not stand in a YAML file: a control character other
// than tab and line end (yaml-cpp would take 0x04 for the end of the file), a lone carriage return.
struct TextFault {
    std::size_t offset = 0;
    std::string message;
};
std::optional<TextFault> findTextFault(std::string_view text);

// yaml-cpp makes of the escapes \N (next line) and \_ (no-break space) single bytes, which are no
// UTF-8: this makes the characters of them, as Talos has them in its passphrases.
std::string withWholeEscapes(std::string_view text);

// For a message: control characters escaped, cut after 64 bytes; `quote` puts "" around it.
std::string printable(std::string_view text);
std::string quote(std::string_view text);

// "a", "a and b", "a, b and c".
std::string listed(const std::vector<std::string> &words, std::string_view conjunction);

// The candidate that `word` was probably meant to be.
std::optional<std::string_view> closest(std::string_view word,
                                        const std::vector<std::string_view> &candidates);

// ASCII only.
std::string lowerCase(std::string_view text);

}  // namespace volumecrypt::config

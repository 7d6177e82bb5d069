// SPDX-License-Identifier: Apache-2.0
// Text that came from elsewhere: UTF-8 character by character, hexadecimal digits, and what is safe
// to print: what a disk, a file or another user wrote must not steer the terminal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace volumecrypt::base {

struct Character {
    char32_t value = 0;
    std::size_t bytes = 1;
};

// The well-formed UTF-8 character (RFC 3629) at the start of `text`; nothing when there is none.
std::optional<Character> decodeCharacter(std::string_view text);
// All of it.
bool isUtf8(std::string_view text);
// C0, DEL and C1.
bool isControlCharacter(char32_t character);
// C0 and DEL.
constexpr bool isControlByte(char byte) {
    return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F;
}

// The first `limit` bytes, or fewer where that would divide a character.
std::string_view beginningOf(std::string_view text, std::size_t limit);
// A byte that is part of no character counts as one.
std::string_view withoutLastCharacter(std::string_view text);

// Control characters, line and direction marks, and bytes that are no UTF-8 become \xHH; everything
// else is kept. The result is one line of valid UTF-8.
std::string printable(std::string_view text);
// Of each line.
std::string printableLines(std::string_view text);
// C0 and DEL become spaces; of what is longer than `limit` bytes the beginning, and "...".
std::string printableText(std::string_view text, std::size_t limit);
// What a program wrote: its lines with "; " between them, at most 1000 bytes.
std::string joinedLines(std::string_view output);

// With a full stop, unless it ends with a mark of its own: to say something after it.
std::string sentence(std::string text);

// Two lower-case digits for each byte.
std::string toHex(std::string_view bytes);
// Digits of either case; nothing when it is not an even number of them.
std::optional<std::string> fromHex(std::string_view text);

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// Text that is safe to print: what a disk, a file or another user wrote must not steer the
// terminal.
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

// The well-formed UTF-8 character at the start of `text`; nothing when there is none.
std::optional<Character> decodeCharacter(std::string_view text);

// Control characters (C0, DEL, C1, line and direction marks) and bytes that are no UTF-8 become
// \xHH; everything else is kept. The result is one line of valid UTF-8.
std::string printable(std::string_view text);
// Of each line.
std::string printableLines(std::string_view text);

// With a full stop, unless it ends with a mark of its own: to say something after it.
std::string sentence(std::string text);

}  // namespace volumecrypt::base

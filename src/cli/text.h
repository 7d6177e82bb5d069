// SPDX-License-Identifier: Apache-2.0
// Text that is safe to print: what a disk, a file or another user wrote must not steer the
// terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"

namespace volumecrypt::cli {

using base::printable;

// printable(), or "-" for an empty text: a field of a line that other programs split.
std::string field(std::string_view text);

// Columns that a printable text takes on a terminal; wide characters count for two.
std::size_t displayWidth(std::string_view text);

// "512 B", "1.5 MiB"
std::string humanBytes(std::uint64_t bytes);
// "45 s", "3 min", "2 h 10 min"
std::string humanSeconds(std::uint64_t seconds);

}  // namespace volumecrypt::cli

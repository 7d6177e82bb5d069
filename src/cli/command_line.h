// SPDX-License-Identifier: Apache-2.0
// The command line of volumecryptctl, parsed.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cli/arguments.h"

namespace volumecrypt::cli {

// What to print before leaving: help and version (code 0, to stdout), or a usage error (code 64,
// to stderr).
struct Leave {
    int code = 0;
    std::string text;
};

using Parsed = std::variant<Arguments, Leave>;

// `words` without the program's name.
Parsed parseCommandLine(const std::vector<std::string> &words);
// Prints it; its code.
int leave(const Leave &leave);

}  // namespace volumecrypt::cli

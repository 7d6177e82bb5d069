// SPDX-License-Identifier: Apache-2.0
// Carries out one command line.
#pragma once

#include "cli/command_line.h"

namespace volumecrypt::cli {

// Prints to standard output and error; the exit code (exit_code.h).
int run(const Arguments &arguments);

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// All commands, and carrying out one command line.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"

namespace volumecrypt::cli {

// In the order of --help; the first one is meant where none is named.
const std::vector<const Command *> &commands();
// nullptr: there is no such command.
const Command *findCommand(std::string_view name);

// Prints to standard output and error; the exit code (exit_code.h).
int run(const Arguments &arguments);

// The rows of commands_NAME.cpp.
std::span<const Command> showCommands();
std::span<const Command> tpmCommands();
std::span<const Command> checkCommands();
std::span<const Command> metaCommands();
std::span<const Command> helpCommands();
std::span<const Command> keysCommands();
std::span<const Command> unlockCommands();
std::span<const Command> volumeCommands();
std::span<const Command> headerCommands();
std::span<const Command> jobsCommands();

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// Runs a program with something on its stdin.
#pragma once

#include <string>
#include <vector>

namespace volumecrypt::test {

struct CommandOutcome {
    int exitCode = -1;   // 128 + signal when it was killed
    std::string output;  // stdout and stderr together
};

// Aborts when the program is not there: a test without its referee proves nothing.
CommandOutcome runCommand(const std::vector<std::string> &argv, const std::string &input = {});

}  // namespace volumecrypt::test

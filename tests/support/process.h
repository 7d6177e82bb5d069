// SPDX-License-Identifier: Apache-2.0
// Runs a program in a test, with bytes on its standard input or a secret on descriptor 3.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace volumecrypt::test {

struct ProcessResult {
    int exitCode = -1;  // 128 + signal when killed
    std::string out;
    std::string err;
};

struct Process {
    std::vector<std::string> argv;
    std::string input;                          // on standard input
    std::optional<std::string> secret;          // in a memfd on descriptor 3
    std::vector<std::string> environment = {};  // added to the caller's: "NAME=value"

    [[nodiscard]] ProcessResult run() const;
};

}  // namespace volumecrypt::test

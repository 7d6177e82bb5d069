// SPDX-License-Identifier: Apache-2.0
// Runs a program to its end and collects what it wrote.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace volumecrypt::base {

struct ChildOutcome {
    int exitCode = 0;    // 128 + signal when it was killed
    std::string output;  // stdout and stderr together, at most 64 KiB
};

// `argv[0]` is looked up in the usual system directories. stdin is `input`, or /dev/null when that
// is negative; the environment is
// PATH (those) and LC_ALL=C only. Errors: NotFound when the program is not there, Io otherwise; an
// exit code other than 0 is not an error here.
Result<ChildOutcome> runProgram(const std::vector<std::string> &argv, int input = -1);

// Whether runProgram would find it.
bool hasProgram(const std::string &name);

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// Runs a program to its end and collects what it wrote: text, or a secret for a secret.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"

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

struct SecretChild {
    std::vector<std::string> argv;         // argv[0] is a path
    std::vector<std::string> environment;  // "NAME=value": all that it gets
    std::size_t limit = 0;                 // bytes of output, at most
    int timeoutMs = 0;                     // it is killed when it takes longer
};

struct SecretOutcome {
    int exitCode = 0;  // 128 + signal when it was killed
    SecretBuffer output;
};

// stdout is the answer, stderr is ours. NotFound when the program is not there; Io (retry) when it
// takes too long, and Io otherwise, too when it writes more than it may. An exit code other than 0
// is not an error here.
Result<SecretOutcome> runWithSecret(const SecretChild &child, const SecretBuffer &input);

}  // namespace volumecrypt::base

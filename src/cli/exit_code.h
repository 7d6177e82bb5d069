// SPDX-License-Identifier: Apache-2.0
// The exit codes of volumecryptctl, the same as the engine's.
#pragma once

#include "base/error.h"

namespace volumecrypt::cli {

inline constexpr int kExitDone = 0;     // done, or nothing to do
inline constexpr int kExitError = 1;    // it failed, and will fail again
inline constexpr int kExitPlanned = 2;  // `plan`: there are steps to do
inline constexpr int kExitUsage = 64;   // the command line is wrong
inline constexpr int kExitRetry = 75;   // it failed, and the same call may succeed later

inline int exitCodeOf(const base::Error &error) {
    return error.retry ? kExitRetry : kExitError;
}

}  // namespace volumecrypt::cli

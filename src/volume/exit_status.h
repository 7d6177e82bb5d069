// SPDX-License-Identifier: Apache-2.0
// The exit statuses of the engine; volumecryptctl uses the same.
#pragma once

namespace volumecrypt::volume {

inline constexpr int kExitDone = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitPlanHasSteps = 2;
inline constexpr int kExitUsage = 64;  // EX_USAGE of sysexits.h
inline constexpr int kExitRetry = 75;  // EX_TEMPFAIL

}  // namespace volumecrypt::volume

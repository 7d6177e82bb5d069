// SPDX-License-Identifier: Apache-2.0
// Which ends of a run of the engine are worth another run by ourselves.
#pragma once

#include "base/result.h"
#include "daemon/engine_message.h"

namespace volumecrypt::daemon {

inline bool isWorthRetrying(const base::Result<EngineResult> &result) {
    // A stop by a signal was meant.
    return !result && result.error().retry && result.error().code != base::ErrorCode::Cancelled;
}

}  // namespace volumecrypt::daemon

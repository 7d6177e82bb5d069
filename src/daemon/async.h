// SPDX-License-Identifier: Apache-2.0
// Steps that take their time, one after the other.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"

namespace volumecrypt::daemon {

using Done = std::function<void(base::Status)>;
// Calls its argument exactly once, now or later.
using AsyncStep = std::function<void(Done)>;

// Runs the steps in order and stops at the first that fails; `done` gets that one's error.
void runInOrder(std::vector<AsyncStep> steps, Done done);

}  // namespace volumecrypt::daemon

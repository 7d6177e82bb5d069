// SPDX-License-Identifier: Apache-2.0
// What is said of a volume's key slots: an inspection sees whether a slot is as it was left, only a
// run that tries keys sees whether the declared one opens it.
#pragma once

#include <utility>
#include <vector>

#include "daemon/engine_message.h"

namespace volumecrypt::daemon {

// `inspected` as the last inspection found them, with what the last runs that tried keys saw.
std::vector<SlotReport> withTestedKeys(std::vector<SlotReport> inspected, const KeyHealths &tested);

// Whether one of ours is not as declared, or could not be verified.
bool isAnyDegraded(const std::vector<SlotReport> &slots);

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Puts together what inspections and runs say of key slots.
#include <algorithm>

#include "daemon/engine_message.h"

namespace volumecrypt::daemon {

std::vector<SlotReport> withTestedKeys(std::vector<SlotReport> inspected,
                                       const KeyHealths &tested) {
    for (SlotReport &slot : inspected) {
        // A slot that has changed since is not the one whose key was tried; of one that nobody
        // recorded it is not known whether it has.
        if (!slot.managed || slot.health != "unverified") continue;
        if (const auto seen = tested.find(slot.slot); seen != tested.end())
            slot.health = seen->second;
    }
    return inspected;
}

bool isAnyDegraded(const std::vector<SlotReport> &slots) {
    return std::any_of(slots.begin(), slots.end(), [](const SlotReport &slot) {
        return slot.managed && slot.health != "ok" && slot.health != "unverified";
    });
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Counts the calls that wait, in all and for each user.
#include "daemon/call_limits.h"

namespace volumecrypt::daemon {

CallLimits::Ticket CallLimits::admit(const std::string &key, bool privileged) {
    if (!privileged && state_->total >= inAll_) return nullptr;
    auto &count = state_->counts[key];
    if (count >= perKey_) return nullptr;
    ++count;
    ++state_->total;
    // The state outlives the limits for the sake of the last tickets.
    return Ticket(state_.get(), [state = state_, key](void *) {
        --state->total;
        const auto found = state->counts.find(key);
        if (--found->second == 0) state->counts.erase(found);
    });
}

}  // namespace volumecrypt::daemon

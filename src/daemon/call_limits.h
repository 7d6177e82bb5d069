// SPDX-License-Identifier: Apache-2.0
// How many calls may wait at a time, so that nobody can fill our memory or keep others out.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace volumecrypt::daemon {

// Counts what waits by key (a connection, a user) and in all.
class CallLimits {
  public:
    using Ticket = std::shared_ptr<void>;  // its end gives the place back

    CallLimits(std::size_t perKey, std::size_t inAll) : perKey_(perKey), inAll_(inAll) {}

    // Null when there is no place. A privileged key needs only its own.
    Ticket admit(const std::string &key, bool privileged = false);
    [[nodiscard]] std::size_t waiting() const { return state_->total; }

  private:
    struct State {
        std::map<std::string, std::size_t> counts;
        std::size_t total = 0;
    };
    std::size_t perKey_;
    std::size_t inAll_;
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

// The process's file descriptors. When one cannot be received the connection to the bus is lost.

// To what is enough for every call that may wait, or as far as the process may.
void raiseDescriptorLimit();
// Whether the lower half of them was full: as long as what waits is let in only when this is false,
// the upper half is there for what arrives.
bool descriptorsAreScarce();

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Port: the states of systemd's units, as they change.
#pragma once

#include <functional>
#include <string>

namespace volumecrypt::daemon {

class UnitStates {
  public:
    // The unit's ActiveState: active, failed, inactive, …; empty while it is not known.
    using Changed = std::function<void(const std::string &state)>;

    UnitStates() = default;
    virtual ~UnitStates() = default;
    UnitStates(const UnitStates &) = delete;
    UnitStates &operator=(const UnitStates &) = delete;
    UnitStates(UnitStates &&) = delete;
    UnitStates &operator=(UnitStates &&) = delete;

    // Tells the state now, soon, and whenever it changes. One follower a unit.
    virtual void follow(const std::string &unit, Changed changed) = 0;
    virtual void leave(const std::string &unit) = 0;
};

}  // namespace volumecrypt::daemon

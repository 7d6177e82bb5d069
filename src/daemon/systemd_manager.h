// SPDX-License-Identifier: Apache-2.0
// Port: what we ask of systemd. Machines without it have no SystemdManager at all.
#pragma once

#include <functional>
#include <string>

#include "daemon/async.h"

namespace volumecrypt::daemon {

class SystemdManager {
  public:
    SystemdManager() = default;
    virtual ~SystemdManager() = default;
    SystemdManager(const SystemdManager &) = delete;
    SystemdManager &operator=(const SystemdManager &) = delete;
    SystemdManager(SystemdManager &&) = delete;
    SystemdManager &operator=(SystemdManager &&) = delete;

    // Done when the unit's job is: Io with the job's result when that is not "done". Starting an
    // active unit and stopping one that is not there succeed.
    virtual void startUnit(const std::string &unit, Done done) = 0;
    virtual void stopUnit(const std::string &unit, Done done) = 0;
    // Of an active mount: remounts it with the options of its unit.
    virtual void reloadUnit(const std::string &unit, Done done) = 0;
    // Forgets that it failed; of one that has not, or is not there, there is nothing to forget.
    virtual void resetFailed(const std::string &unit, Done done) = 0;
    // Runs the generators and reads the units anew.
    virtual void reload(Done done) = 0;
};

// Port: the states of systemd's units, as they change.

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

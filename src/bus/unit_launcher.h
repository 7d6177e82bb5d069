// SPDX-License-Identifier: Apache-2.0
// Engines as transient units volumecrypt-job-N.service: a sandbox of their own, and a life that
// does not end with the daemon's.
#pragma once

#include <string>
#include <vector>

#include "bus/systemd.h"
#include "daemon/engine_launcher.h"

namespace volumecrypt::bus {

// The handle is the unit's name.
class UnitLauncher : public daemon::EngineLauncher {
  public:
    explicit UnitLauncher(BusSystemd &systemd) : systemd_(systemd) {}

    void start(daemon::EngineProcess process, Started started, Ended ended) override;
    void adopt(const daemon::EngineHandle &handle, Ended ended) override;
    void stop(const daemon::EngineHandle &handle) override;

  private:
    BusSystemd &systemd_;
};

// The unit's settings; those of volumecrypt@.service where they protect.
std::vector<BusSystemd::Property> transientUnit(const daemon::EngineProcess &process);

}  // namespace volumecrypt::bus

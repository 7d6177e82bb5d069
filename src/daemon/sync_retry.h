// SPDX-License-Identifier: Apache-2.0
// Changes of keys that had to wait, such as for a KMS that did not answer, are tried again.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "daemon/engine_jobs.h"
#include "daemon/event_loop.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

// Later and later, from seconds up to some minutes, for as long as the volume is open. Each is a
// job of the daemon's own.
class SyncRetry {
  public:
    SyncRetry(EventLoop &loop, VolumeTable &volumes, EngineJobs &engines)
        : loop_(loop), volumes_(volumes), engines_(engines) {}

    // A sync has ended, whoever ran it.
    void ended(const Volume &volume, const base::Result<EngineResult> &result);

  private:
    struct Entry {
        std::chrono::seconds delay{};
        EventLoop::Source timer;
    };

    void schedule(const std::string &id, std::chrono::seconds delay);
    void fire(const std::string &id);

    EventLoop &loop_;
    VolumeTable &volumes_;
    EngineJobs &engines_;
    std::map<std::string, Entry> entries_;
};

}  // namespace volumecrypt::daemon

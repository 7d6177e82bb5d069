// SPDX-License-Identifier: Apache-2.0
// Engines as plain child processes: for tests, and for machines without systemd.
#pragma once

#include <map>

#include "daemon/engine_launcher.h"
#include "daemon/event_loop.h"

namespace volumecrypt::daemon {

// Each child leads a session of its own, so that it outlives the daemon. The handle is the process
// number and its start time, which together name one process for good.
class ChildLauncher : public EngineLauncher {
  public:
    explicit ChildLauncher(EventLoop &loop) : loop_(loop) {}

    void start(EngineProcess process, Started started, Ended ended) override;
    void adopt(const EngineHandle &handle, Ended ended) override;
    void stop(const EngineHandle &handle) override;

  private:
    struct Child {
        EventLoop::Source end;
        EventLoop::Source deadline;
        base::UniqueFd pidFd;  // of adopted ones
    };

    base::Result<pid_t> spawn(const EngineProcess &process);
    void finished(const EngineHandle &handle, const Ended &ended, const std::string &how);

    EventLoop &loop_;
    std::map<EngineHandle, Child> children_;
};

}  // namespace volumecrypt::daemon

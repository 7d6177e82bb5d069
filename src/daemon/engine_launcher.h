// SPDX-License-Identifier: Apache-2.0
// Port: starts engine processes that may outlive the daemon, and says when they are over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::daemon {

struct EngineProcess {
    std::uint64_t number = 0;  // of the job; unique as long as the machine runs
    std::string description;
    std::vector<std::string> argv;
    base::UniqueFd input;               // the secret; /dev/null when there is none
    base::UniqueFd output;              // a file: it is complete once the process has ended
    std::vector<std::string> files;     // plain files that it writes to besides /run and devices
    std::vector<std::string> keyFiles;  // files that it reads, wherever they are
    bool network = false;               // it asks a KMS
    bool quiet = false;      // a look, no job: nothing of it in the journal but what is wrong
    bool resources = false;  // it grows ext4, for which the kernel wants CAP_SYS_RESOURCE
    std::optional<std::uint32_t> uid = {};  // for whom it runs; nobody in particular
};

// By which a process is found again after a restart of the daemon; opaque to all but the launcher
// that made it.
using EngineHandle = std::string;

class EngineLauncher {
  public:
    using Started = std::function<void(base::Result<EngineHandle>)>;
    // How it ended, for people; called once, never after a failed start.
    using Ended = std::function<void(const std::string &how)>;

    virtual ~EngineLauncher() = default;
    EngineLauncher() = default;
    EngineLauncher(const EngineLauncher &) = delete;
    EngineLauncher &operator=(const EngineLauncher &) = delete;
    EngineLauncher(EngineLauncher &&) = delete;
    EngineLauncher &operator=(EngineLauncher &&) = delete;

    virtual void start(EngineProcess process, Started started, Ended ended) = 0;
    // Watches a process that an earlier daemon started. Ended comes soon when it is gone already.
    virtual void adopt(const EngineHandle &handle, Ended ended) = 0;
    // Asks it to end at its next safe point; kills it when it has not ended within 90 s.
    virtual void stop(const EngineHandle &handle) = 0;
};

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Runs one verb on one volume: starts the engine, follows its lines, hands over its result.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "daemon/engine_launcher.h"
#include "daemon/engine_message.h"
#include "daemon/event_loop.h"
#include "daemon/job_store.h"
#include "model/volume_id.h"

namespace volumecrypt::daemon {

struct EngineCommand {
    std::string verb;
    model::VolumeId volume;
    std::vector<std::string> arguments = {};  // after VERB ID
    base::UniqueFd header = {};               // of a backup: the file that it is in, or goes to
    base::UniqueFd secret = {};               // handed to the engine unread
    base::UniqueFd unlockSecret = {};         // add-key: the same, of one that opens the volume
    std::vector<std::string> files = {};      // what it writes to besides devices
    std::vector<std::string> keyFiles = {};   // those of its keys
    bool network = false;                     // the volume has kms keys
    std::optional<std::uint32_t> uid = {};    // for whom; nobody in particular
    bool resources = false;                   // see EngineProcess
};

// All optional.
struct EngineObserver {
    std::function<void(const EngineHandle &)> started = {};
    std::function<void(const EngineProgress &)> progress = {};
    std::function<void(const EngineWarning &)> warning = {};
    // It said itself why it failed, and has logged that.
    std::function<void(const base::Error &)> failed = {};
    std::function<void(const KeyHealths &)> keys = {};  // at its end, if it tried some
};

struct EngineProgram {
    std::string path;
    std::vector<std::string> options;  // --root, --config-dir
};

class EngineRunner {
  public:
    using Done = std::function<void(base::Result<EngineResult>)>;

    EngineRunner(EventLoop &loop, EngineLauncher &launcher, JobStore &store, EngineProgram program);

    // `number` is from JobStore::takeNumber. `done` is called once, later.
    void start(std::uint64_t number, EngineCommand command, EngineObserver observer, Done done);
    // Takes over an engine that an earlier daemon started.
    void adopt(const JobRecord &record, EngineObserver observer, Done done);
    void stop(std::uint64_t number);

  private:
    struct Run;

    std::shared_ptr<Run> add(std::uint64_t number, std::string what, EngineObserver observer,
                             Done done);
    void follow();
    void fail(std::uint64_t number, base::Error error);
    void ended(std::uint64_t number, const std::string &how);
    void finish(std::uint64_t number, base::Result<EngineResult> result);

    EventLoop &loop_;
    EngineLauncher &launcher_;
    JobStore &store_;
    EngineProgram program_;
    std::map<std::uint64_t, std::shared_ptr<Run>> runs_;
    EventLoop::Source timer_;
};

}  // namespace volumecrypt::daemon

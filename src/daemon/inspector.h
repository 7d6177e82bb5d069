// SPDX-License-Identifier: Apache-2.0
// Finds out the state of volumes by `inspect` engines: as few and as late as possible.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/engine_runner.h"
#include "daemon/event_loop.h"
#include "daemon/job_store.h"
#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class Inspector {
  public:
    using Then = std::function<void()>;

    Inspector(EventLoop &loop, EngineRunner &runner, JobStore &store, VolumeTable &volumes,
              model::SystemPaths paths);

    // Adds to every status what no inspection finds, before it is taken.
    using Taken = std::function<void(const Volume &volume, VolumeStatus &status)>;
    void onTaken(Taken taken) { taken_ = std::move(taken); }

    // Soon; a burst of requests costs one inspection. Left out while an operation runs on the
    // volume: that ends with an inspection of its own.
    void request(const VolumePointer &volume);
    // Now, or after the one that runs; `then` is called when the status is the newest.
    void inspect(const VolumePointer &volume, Then then);
    // After an operation that changed nothing: only if a request was left out meanwhile.
    void catchUp(const VolumePointer &volume);

  private:
    struct Entry {
        std::unique_ptr<Debounce> debounce;
        bool running = false;
        bool missed = false;        // a request was left out
        std::vector<Then> waiting;  // for the one that runs
        std::vector<Then> next;     // for the one after it
    };

    using Warnings = std::vector<std::pair<std::string, std::string>>;

    void run(const VolumePointer &volume);
    void take(Volume &volume, base::Result<EngineResult> result, Warnings warnings);

    EventLoop &loop_;
    EngineRunner &runner_;
    JobStore &store_;
    VolumeTable &volumes_;
    model::SystemPaths paths_;
    std::map<std::string, Entry> entries_;
    Taken taken_;
};

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// How the engines of a volume ended, whoever ran them: each leaves its last line in a file, since
// at boot there is nobody to read its output.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "daemon/engine_message.h"
#include "daemon/event_loop.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

// File times come from the kernel's tick, which may be a little behind the clock.
inline constexpr std::chrono::milliseconds kFileTimeSlack{20};

struct PastOutcome {
    std::string verb;
    std::chrono::system_clock::time_point when;
    base::Result<EngineResult> result;
    KeyHealths keys;
};

class OutcomeFiles {
  public:
    explicit OutcomeFiles(model::SystemPaths paths) : paths_(std::move(paths)) {}

    // Nothing when there is none.
    [[nodiscard]] std::optional<PastOutcome> read(const model::VolumeId &id,
                                                  const std::string &verb) const;
    // The last of each verb, oldest first.
    [[nodiscard]] std::vector<PastOutcome> readAll(const model::VolumeId &id) const;

  private:
    model::SystemPaths paths_;
};

// Tells of every outcome as it is written.
class OutcomeWatch {
  public:
    using Handler = std::function<void(const std::string &id, const std::string &verb)>;

    OutcomeWatch(EventLoop &loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
    base::Status start(const model::SystemPaths &paths);

  private:
    void receive();

    EventLoop &loop_;
    Handler handler_;
    base::UniqueFd inotify_;
    EventLoop::Source source_;
};

}  // namespace volumecrypt::daemon

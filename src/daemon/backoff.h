// SPDX-License-Identifier: Apache-2.0
// When an operation that failed for a reason which passes by itself is tried again: later and
// later.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "daemon/engine_message.h"
#include "daemon/event_loop.h"

namespace volumecrypt::daemon {

// One timer a volume, whose delay doubles each time.
class Backoff {
  public:
    struct Pace {
        std::chrono::milliseconds first;
        std::chrono::milliseconds longest;
    };
    // Tries, or begins to, and says whether a further try is wanted after this one.
    using Try = std::function<bool(const std::string &id)>;

    // `operation` is for the journal.
    Backoff(EventLoop &loop, std::string operation, Pace pace, Try retry)
        : loop_(loop), operation_(std::move(operation)), pace_(pace), try_(std::move(retry)) {}

    // A run of it has ended, whoever started it. One that is worth another is the first of a row of
    // tries, or follows in it; any other ends the row.
    void ended(const std::string &id, const base::Result<EngineResult> &result);
    void stop(const std::string &id) { rows_.erase(id); }
    // What stood in the way may be out of it: the next try is soon, if there is to be one at all.
    void hurry(const std::string &id);

  private:
    struct Row {
        std::chrono::milliseconds delay{};
        EventLoop::Source timer;
    };

    void schedule(const std::string &id, std::chrono::milliseconds delay);
    void fire(const std::string &id);

    EventLoop &loop_;
    std::string operation_;
    Pace pace_;
    Try try_;
    std::map<std::string, Row> rows_;
};

}  // namespace volumecrypt::daemon

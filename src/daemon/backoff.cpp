// SPDX-License-Identifier: Apache-2.0
// Rows of tries by timers of the event loop.
#include "daemon/backoff.h"

#include <algorithm>

#include "base/journal.h"

namespace volumecrypt::daemon {
namespace {

// The kernel has forgotten the mapping, udev has just said so.
constexpr std::chrono::milliseconds kSoon{300};

bool isWorthRetrying(const base::Result<EngineResult> &result) {
    // A stop by a signal was meant.
    return !result && result.error().retry && result.error().code != base::ErrorCode::Cancelled;
}

}  // namespace

void Backoff::ended(const std::string &id, const base::Result<EngineResult> &result) {
    if (!isWorthRetrying(result)) return stop(id);
    const auto [row, isNew] = rows_.try_emplace(id);
    // One of our own, which is followed by the next already.
    if (!isNew) return;
    row->second.delay = pace_.first;
    base::log(base::Severity::Info,
              "volume " + id + ": " + operation_ + " is tried again in a while",
              {{"VOLUME", id}, {"OPERATION", operation_}});
    schedule(id, pace_.first);
}

void Backoff::hurry(const std::string &id) {
    if (rows_.contains(id)) schedule(id, kSoon);
}

void Backoff::schedule(const std::string &id, std::chrono::milliseconds delay) {
    rows_[id].timer = loop_.after(delay, [this, id] { fire(id); });
}

// The next is there before this one begins, which may end while it is started.
void Backoff::fire(const std::string &id) {
    auto &row = rows_[id];
    row.delay = std::min(2 * row.delay, pace_.longest);
    schedule(id, row.delay);
    if (!try_(id)) stop(id);
}

}  // namespace volumecrypt::daemon

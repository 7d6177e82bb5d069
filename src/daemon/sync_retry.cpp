// SPDX-License-Identifier: Apache-2.0
// One timer a volume, doubled each time.
#include "daemon/sync_retry.h"

#include <algorithm>

#include "base/journal.h"
#include "daemon/worth_retry.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::chrono::seconds kFirstSync{2};
constexpr std::chrono::minutes kLongestSync{10};

bool isVolumeOpen(const Volume &volume) {
    return volume.status().isOpen();
}

}  // namespace

void SyncRetry::ended(const Volume &volume, const base::Result<EngineResult> &result) {
    const std::string id = volume.id().text();
    if (!isWorthRetrying(result)) {
        entries_.erase(id);
        return;
    }
    const auto [entry, isNew] = entries_.try_emplace(id);
    // One of our own, which is followed by the next already.
    if (!isNew) return;
    entry->second.delay = kFirstSync;
    base::log(base::Severity::Info, "volume " + id + ": sync is tried again in a while",
              {{"VOLUME", id}, {"OPERATION", "sync"}});
    schedule(id, kFirstSync);
}

void SyncRetry::schedule(const std::string &id, std::chrono::seconds delay) {
    entries_[id].timer = loop_.after(delay, [this, id] { fire(id); });
}

void SyncRetry::fire(const std::string &id) {
    const auto volume = volumes_.find(id);
    // One that was closed is synchronised when it is opened again.
    if (!volume || !isVolumeOpen(*volume)) {
        entries_.erase(id);
        return;
    }
    auto &entry = entries_[id];
    entry.delay = std::min<std::chrono::seconds>(2 * entry.delay, kLongestSync);
    schedule(id, entry.delay);
    if (volume->operation().empty())
        (void)engines_.start(volume, {.verb = "sync", .volume = volume->id()}, 0);
}

}  // namespace volumecrypt::daemon

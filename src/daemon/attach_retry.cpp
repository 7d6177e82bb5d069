// SPDX-License-Identifier: Apache-2.0
// One timer a volume, doubled each time.
#include "daemon/attach_retry.h"

#include <algorithm>

#include "base/journal.h"
#include "daemon/worth_retry.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::chrono::seconds kFirstAttach{2};
constexpr std::chrono::minutes kLongestAttach{5};
// The kernel has forgotten the mapping, udev has just said so.
constexpr std::chrono::milliseconds kSoon{300};

bool isWanted(const Volume &volume) {
    const auto state = volume.status().state;
    return volume.spec().unlock == model::UnlockPolicy::Auto && !volume.lockedOnPurpose() &&
           state != model::VolumeState::Unlocked && state != model::VolumeState::Reencrypting;
}

}  // namespace

void AttachRetry::attached(const Volume &volume, const base::Result<EngineResult> &result) {
    const std::string id = volume.id().text();
    if (!isWorthRetrying(result) || volume.spec().unlock != model::UnlockPolicy::Auto) {
        entries_.erase(id);
        return;
    }
    const auto [entry, isNew] = entries_.try_emplace(id);
    // One of our own, which is followed by the next already.
    if (!isNew) return;
    entry->second.delay = kFirstAttach;
    base::log(base::Severity::Info, "volume " + id + ": attach is tried again in a while",
              {{"VOLUME", id}, {"OPERATION", "attach"}});
    schedule(id, kFirstAttach);
}

void AttachRetry::mappingGone(const Volume &volume) {
    if (entries_.contains(volume.id().text())) schedule(volume.id().text(), kSoon);
}

void AttachRetry::schedule(const std::string &id, std::chrono::milliseconds delay) {
    entries_[id].timer = loop_.after(delay, [this, id] { fire(id); });
}

void AttachRetry::fire(const std::string &id) {
    const auto volume = volumes_.find(id);
    // A device that went away comes back with an attach of its own.
    if (!volume || !isWanted(*volume) || volume->status().state == model::VolumeState::Absent) {
        entries_.erase(id);
        return;
    }
    auto &entry = entries_[id];
    entry.delay = std::min<std::chrono::seconds>(2 * entry.delay, kLongestAttach);
    schedule(id, entry.delay);
    if (volume->operation().empty()) unlocker_.retry(volume);
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Whether a volume is to be tried again, and how.
#include "daemon/retries.h"

namespace volumecrypt::daemon {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds kFirst{2};
constexpr minutes kLongestAttach{5};
constexpr minutes kLongestSync{10};

// A device that went away comes back with an attach of its own.
bool isWanted(const Volume &volume) {
    const auto &status = volume.status();
    return volume.spec().unlock == model::UnlockPolicy::Auto && !volume.lockedOnPurpose() &&
           !model::isOpen(status.state, true) && status.state != model::VolumeState::Absent;
}

}  // namespace

AttachRetry::AttachRetry(EventLoop &loop, VolumeTable &volumes, Unlocker &unlocker)
    : volumes_(volumes),
      unlocker_(unlocker),
      backoff_(loop, "attach", {kFirst, kLongestAttach},
               [this](const std::string &id) { return retry(id); }) {}

void AttachRetry::attached(const Volume &volume, const base::Result<EngineResult> &result) {
    if (volume.spec().unlock != model::UnlockPolicy::Auto)
        backoff_.stop(volume.id().text());
    else
        backoff_.ended(volume.id().text(), result);
}

bool AttachRetry::retry(const std::string &id) {
    const auto volume = volumes_.find(id);
    if (!volume || !isWanted(*volume)) return false;
    if (volume->operation().empty()) unlocker_.retry(volume);
    return true;
}

SyncRetry::SyncRetry(EventLoop &loop, VolumeTable &volumes, EngineJobs &engines)
    : volumes_(volumes),
      engines_(engines),
      backoff_(loop, "sync", {kFirst, kLongestSync},
               [this](const std::string &id) { return retry(id); }) {}

bool SyncRetry::retry(const std::string &id) {
    const auto volume = volumes_.find(id);
    // One that was closed is synchronised when it is opened again.
    if (!volume || !volume->status().isOpen()) return false;
    if (volume->operation().empty())
        (void)engines_.start(volume, {.verb = "sync", .volume = volume->id()}, 0);
    return true;
}

}  // namespace volumecrypt::daemon

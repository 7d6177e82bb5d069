// SPDX-License-Identifier: Apache-2.0
// One `inspect` at a time for a volume; its result becomes the volume's status.
#include "daemon/inspector.h"

#include <utility>

#include <unistd.h>

#include "daemon/engine_message.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::chrono::milliseconds kQuiet{300};
constexpr std::chrono::milliseconds kLatest{2000};
constexpr std::size_t kMostWarnings = 32;

}  // namespace

Inspector::Inspector(EventLoop &loop, EngineRunner &runner, JobStore &store, VolumeTable &volumes,
                     model::SystemPaths paths)
    : loop_(loop), runner_(runner), store_(store), volumes_(volumes), paths_(std::move(paths)) {}

void Inspector::request(const VolumePointer &volume) {
    const auto id = volume->id().text();
    auto &entry = entries_[id];
    if (!entry.debounce)
        entry.debounce = std::make_unique<Debounce>(loop_, kQuiet, kLatest, [this, id] {
            const auto found = volumes_.find(id);
            if (found && found->operation().empty()) return inspect(found, [] {});
            entries_[id].missed = true;
        });
    entry.debounce->trigger();
}

void Inspector::catchUp(const VolumePointer &volume) {
    if (entries_[volume->id().text()].missed) request(volume);
}

void Inspector::inspect(const VolumePointer &volume, Then then) {
    auto &entry = entries_[volume->id().text()];
    (entry.running ? entry.next : entry.waiting).push_back(std::move(then));
    if (!entry.running) run(volume);
}

void Inspector::run(const VolumePointer &volume) {
    auto &entry = entries_[volume->id().text()];
    entry.running = true;
    entry.missed = false;
    EngineCommand command{.verb = "inspect", .volume = volume->id(), .files = volume->files()};
    const auto number = store_.takeNumber();
    const auto warnings = std::make_shared<Warnings>();
    EngineObserver observer;
    observer.warning = [warnings](const EngineWarning &warning) {
        if (warnings->size() < kMostWarnings) warnings->emplace_back(warning.code, warning.message);
    };
    runner_.start(number, std::move(command), std::move(observer),
                  [this, volume, number, warnings](base::Result<EngineResult> result) {
                      store_.remove(number);
                      take(*volume, std::move(result), std::move(*warnings));
                      volumes_.publish(*volume);
                      auto &ended = entries_[volume->id().text()];
                      ended.running = false;
                      for (const auto &then : std::exchange(ended.waiting, {})) then();
                      if (ended.running || ended.next.empty()) return;
                      ended.waiting = std::exchange(ended.next, {});
                      run(volume);
                  });
}

void Inspector::take(Volume &volume, base::Result<EngineResult> result, Warnings warnings) {
    auto status = volume.status();
    status.warnings = std::move(warnings);
    status.pinned = result && result->pinned ? *result->pinned
                                             : ::access(paths_.pin(volume.id()).c_str(), F_OK) == 0;
    if (!result) {
        // An error is not a state: all that is known is that nothing is known.
        status.state = model::VolumeState::Failed;
        status.errorCode = base::errorName(result.error().code);
        status.errorMessage = fullText(result.error());
        status.errorVerb = "inspect";
        if (taken_) taken_(volume, status);
        return volumes_.update(volume, std::move(status));
    }
    status.state = result->state.value_or(model::VolumeState::Failed);
    status.device = result->device.empty() ? volume.spec().device.path : result->device;
    status.mapping = result->mapping;
    const bool sameVolume = status.uuid == result->uuid;
    status.uuid = result->uuid;
    status.cipher = result->cipher;
    volume.setInspectedSlots(result->slots.value_or(std::vector<SlotReport>()), sameVolume);
    status.slots = volume.slots();
    if (!status.isOpen()) status.unlockedBySlot = -1;
    // The error of an inspection ends with the next one that works; others are the operations'.
    if (status.errorVerb == "inspect") {
        status.errorCode.clear();
        status.errorMessage.clear();
        status.errorVerb.clear();
    }
    status.degraded = !status.failedSyncs.empty() || isAnyDegraded(status.slots);
    if (taken_) taken_(volume, status);
    volumes_.update(volume, std::move(status));
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Volumes whose attach failed for a reason that passes by itself are tried again: a KMS that did
// not answer, a stale mapping, somebody else's lock.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "daemon/engine_message.h"
#include "daemon/event_loop.h"
#include "daemon/unlocker.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

// Later and later, from seconds up to some minutes, for as long as the volume is declared to be
// unlocked by itself, its device is there, and nobody has locked it.
class AttachRetry {
  public:
    AttachRetry(EventLoop &loop, VolumeTable &volumes, Unlocker &unlocker)
        : loop_(loop), volumes_(volumes), unlocker_(unlocker) {}

    // An attach has ended, whoever ran it.
    void attached(const Volume &volume, const base::Result<EngineResult> &result);
    // What stood in the way may be out of it: try at once, if it is to be tried at all.
    void mappingGone(const Volume &volume);

  private:
    struct Entry {
        std::chrono::seconds delay{};
        EventLoop::Source timer;
    };

    void schedule(const std::string &id, std::chrono::milliseconds delay);
    void fire(const std::string &id);

    EventLoop &loop_;
    VolumeTable &volumes_;
    Unlocker &unlocker_;
    std::map<std::string, Entry> entries_;
};

}  // namespace volumecrypt::daemon

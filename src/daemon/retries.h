// SPDX-License-Identifier: Apache-2.0
// What is tried again by the service itself: attach and sync that failed for a while only.
#pragma once

#include "daemon/backoff.h"
#include "daemon/engine_jobs.h"
#include "daemon/engine_message.h"
#include "daemon/event_loop.h"
#include "daemon/unlocker.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

// A KMS that did not answer, a stale mapping, somebody else's lock: for as long as the volume is
// declared to be unlocked by itself, its device is there, and nobody has locked it.
class AttachRetry {
  public:
    AttachRetry(EventLoop &loop, VolumeTable &volumes, Unlocker &unlocker);

    // An attach has ended, whoever ran it.
    void attached(const Volume &volume, const base::Result<EngineResult> &result);
    // Try at once, if it is to be tried at all.
    void mappingGone(const Volume &volume) { backoff_.hurry(volume.id().text()); }

  private:
    bool retry(const std::string &id);

    VolumeTable &volumes_;
    Unlocker &unlocker_;
    Backoff backoff_;
};

// Changes of keys that had to wait: for as long as the volume is open. Each is a job of the
// service's own.
class SyncRetry {
  public:
    SyncRetry(EventLoop &loop, VolumeTable &volumes, EngineJobs &engines);

    // A sync has ended, whoever ran it.
    void ended(const Volume &volume, const base::Result<EngineResult> &result) {
        backoff_.ended(volume.id().text(), result);
    }

  private:
    bool retry(const std::string &id);

    VolumeTable &volumes_;
    EngineJobs &engines_;
    Backoff backoff_;
};

}  // namespace volumecrypt::daemon

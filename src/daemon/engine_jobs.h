// SPDX-License-Identifier: Apache-2.0
// One engine verb as one job: start or adopt it, keep the volume's status true, finish the job.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/engine_runner.h"
#include "daemon/inspector.h"
#include "daemon/job_table.h"
#include "daemon/outcome_file.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

class EngineJobs {
  public:
    using Done = EngineRunner::Done;
    using VerbEnded = std::function<void(const Volume &, const base::Result<EngineResult> &)>;

    EngineJobs(EngineRunner &runner, JobStore &store, JobTable &jobs, VolumeTable &volumes,
               Inspector &inspector)
        : runner_(runner), store_(store), jobs_(jobs), volumes_(volumes), inspector_(inspector) {}

    // Told of every end of an attach that is remembered.
    void onAttach(VerbEnded attachEnded) { attachEnded_ = std::move(attachEnded); }
    // The same of a sync.
    void onSync(VerbEnded syncEnded) { syncEnded_ = std::move(syncEnded); }
    // Told when a job has ended that encrypts a volume where it is, and the volume was looked at;
    // the job is over when it says so.
    using Encrypted = std::function<void(const Volume &, std::function<void()>)>;
    void onEncrypt(Encrypted encrypted) { encrypted_ = std::move(encrypted); }
    // A job of its own. Busy when something else runs on the volume. `done`, when given, gets the
    // engine's result before the job finishes.
    base::Result<JobPointer> start(const VolumePointer &volume, EngineCommand command,
                                   std::uint32_t uid, Done done = {});
    // Goes on with the job of an earlier daemon.
    void adopt(const JobRecord &record);
    // A verb within another job or without one; `job`, when given, can stop it. The volume's status
    // is kept, but the caller does begin(), end() and inspect.
    void run(const VolumePointer &volume, EngineCommand command, const JobPointer &job, Done done);
    // Takes the end of an engine that somebody else ran into the volume's status.
    void remember(Volume &volume, const PastOutcome &outcome);

  private:
    EngineObserver observerOf(const VolumePointer &volume, const JobPointer &job);
    EngineObserver partObserverOf(const VolumePointer &volume, const JobPointer &job,
                                  const std::string &verb);
    void remember(Volume &volume, const std::string &verb,
                  const base::Result<EngineResult> &result);
    void ended(const VolumePointer &volume, const JobPointer &job, const Done &done,
               const base::Result<EngineResult> &result);
    EngineRunner &runner_;
    JobStore &store_;
    JobTable &jobs_;
    VolumeTable &volumes_;
    Inspector &inspector_;
    VerbEnded attachEnded_;
    VerbEnded syncEnded_;
    Encrypted encrypted_;
};

// What an engine did, for people: "replaced slot 1 (static)".
std::string summaryOf(const EngineResult &result);

}  // namespace volumecrypt::daemon

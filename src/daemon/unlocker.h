// SPDX-License-Identifier: Apache-2.0
// Unlock and Lock: systemd's units where there is systemd, the engine itself where there is none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "daemon/authorized.h"
#include "daemon/engine_jobs.h"
#include "daemon/lock_marks.h"
#include "daemon/outcome_file.h"
#include "daemon/systemd_manager.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class Unlocker {
  public:
    using Unlocked = std::function<void(base::Result<std::string>)>;  // what can be mounted
    using Locked = std::function<void(base::Status)>;

    // `systemd` may be null.
    Unlocker(EngineJobs &engines, JobTable &jobs, VolumeTable &volumes, Inspector &inspector,
             OutcomeFiles outcomes, SystemdManager *systemd, model::SystemPaths paths)
        : engines_(engines),
          jobs_(jobs),
          volumes_(volumes),
          inspector_(inspector),
          outcomes_(std::move(outcomes)),
          systemd_(systemd),
          paths_(std::move(paths)),
          marks_(paths_) {}

    // Both are jobs while they run. `secret` may be invalid: only the declared keys then.
    void unlock(const Authorized<action::Unlock> &proof, const VolumePointer &volume,
                base::UniqueFd secret, Unlocked unlocked);
    void lock(const Authorized<action::Lock> &proof, const VolumePointer &volume, Locked locked);
    // Unlocks it by its declared keys, for the daemon's own needs: its job and LastError tell.
    void retry(const VolumePointer &volume);

    // After its encryption in place, whole or in part: its attach unit, which is active since the
    // plain volume was there, is to begin anew with the next Unlock.
    void forgetPlain(const Volume &volume, const std::function<void()> &then);

    // The parts of both, for Apply too. The caller does begin(), end() and inspect.
    void open(const VolumePointer &volume, base::UniqueFd secret, const JobPointer &job, Done done);
    void close(const VolumePointer &volume, const JobPointer &job, Done done);

  private:
    void begun(const VolumePointer &volume, const JobPointer &job, base::UniqueFd secret,
               Unlocked unlocked);
    void renewUnits(const VolumePointer &volume, const Done &done);
    void startUnits(const VolumePointer &volume, const JobPointer &job, Done done);
    void mountNested(const Volume &volume, const Done &done);
    void checkClosed(const VolumePointer &volume, const Done &done);
    // Looks at the volumes that hung on STATE, and names those that were locked with it.
    void findTakenDown(const std::shared_ptr<std::vector<VolumePointer>> &dependents,
                       const std::function<void(std::string)> &then);
    void finish(const VolumePointer &volume, const JobPointer &job, const base::Status &status,
                const std::string &summary = "done");

    EngineJobs &engines_;
    JobTable &jobs_;
    VolumeTable &volumes_;
    Inspector &inspector_;
    OutcomeFiles outcomes_;
    SystemdManager *systemd_;
    model::SystemPaths paths_;
    LockMarks marks_;
};

}  // namespace volumecrypt::daemon

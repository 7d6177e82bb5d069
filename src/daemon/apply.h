// SPDX-License-Identifier: Apache-2.0
// Apply: makes the machine equal to the configuration, as one job.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/apply_plan.h"
#include "daemon/authorized.h"
#include "daemon/configuration.h"
#include "daemon/secret_reader.h"
#include "daemon/unlocker.h"

namespace volumecrypt::daemon {

struct ApplyOptions {
    std::string volume = {};     // ID; empty: all
    base::UniqueFd secret = {};  // opens that volume where no declared key does; may be invalid
};

class Apply {
  public:
    // `systemd` may be null.
    Apply(EventLoop &loop, Configurator &configurator, EngineJobs &engines, JobTable &jobs,
          VolumeTable &volumes, Inspector &inspector, Unlocker &unlocker, SystemdManager *systemd,
          model::SystemPaths paths);

    // InvalidConfig when the configuration has errors, Busy when an Apply runs, NotFound for a
    // volume that is neither declared nor there. The job goes on with the next volume when one
    // fails, and then fails as a whole.
    base::Result<JobPointer> start(const Authorized<action::ManageKeys> &proof,
                                   ApplyOptions options);

  private:
    struct Work;
    using WorkPointer = std::shared_ptr<Work>;
    struct Before {
        model::VolumeState state;
        bool open;
        bool mounted;
        std::chrono::system_clock::time_point begun;
    };

    // Not valid when none was given.
    using UseSecret = std::function<void(base::Result<base::UniqueFd>)>;

    base::Result<std::optional<model::VolumeId>> chosen(const std::string &id) const;
    void run(const WorkPointer &work);
    void withSecret(const WorkPointer &work, UseSecret use);
    void stopDeparted(const WorkPointer &work, const ApplyPlan::Stop &stop, const Done &next);
    void stopMoved(const WorkPointer &work, const ApplyPlan::Stop &stop, const Done &next);
    void reloadUnits(const WorkPointer &work, const Done &next);
    void remountVolume(const WorkPointer &work, const ApplyPlan::Remount &remount,
                       const Done &next);
    void startVolume(const WorkPointer &work, const VolumePointer &volume, const Done &next);
    void open(const WorkPointer &work, const VolumePointer &volume, const Done &opened);
    void syncVolume(const WorkPointer &work, const VolumePointer &volume, const Done &next);
    void trySync(const WorkPointer &work, const VolumePointer &volume,
                 const EngineJobs::Done &done);
    void runSync(const WorkPointer &work, const VolumePointer &volume,
                 const EngineJobs::Done &done);
    void started(Work &work, const Volume &volume, const Before &before,
                 const base::Status &opened) const;
    void synced(Work &work, const Volume &volume, const Before &before) const;
    void finish(const WorkPointer &work, const base::Status &status);
    void stopUnits(const std::set<std::string> &units, Done done);
    [[nodiscard]] bool isMapped(const model::VolumeId &id) const;

    Configurator &configurator_;
    EngineJobs &engines_;
    JobTable &jobs_;
    VolumeTable &volumes_;
    Inspector &inspector_;
    Unlocker &unlocker_;
    SystemdManager *systemd_;
    model::SystemPaths paths_;
    SecretReader reader_;
    bool running_ = false;
};

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Plan: what Apply would do now, by the same configuration, the same view and the same rules.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/apply_plan.h"
#include "daemon/async.h"
#include "daemon/authorized.h"
#include "daemon/configuration.h"
#include "daemon/engine_jobs.h"

namespace volumecrypt::daemon {

class Forecast {
  public:
    using Steps = std::vector<StepText>;
    using All = std::vector<std::pair<std::string, Steps>>;  // by ID
    using Planned = std::function<void(base::Result<All>)>;

    // `systemd`: whether Apply has one.
    Forecast(Configurator &configurator, EngineJobs &engines, VolumeTable &volumes,
             Inspector &inspector, bool systemd, model::SystemPaths paths)
        : configurator_(configurator),
          engines_(engines),
          volumes_(volumes),
          inspector_(inspector),
          systemd_(systemd),
          paths_(std::move(paths)) {}

    // Reads the configuration anew. InvalidConfig when it has errors, Busy when another plan of all
    // volumes runs. A volume that cannot be planned has one step "refuse".
    void plan(const Authorized<action::ManageKeys> &proof, Planned planned);

  private:
    struct Work;
    using WorkPointer = std::shared_ptr<Work>;

    void run(const WorkPointer &work);
    void addKnown(Work &work) const;
    void look(const WorkPointer &work, const VolumePointer &volume, const Done &next);
    void take(Work &work, const Volume &volume, const base::Result<EngineResult> &result) const;

    Configurator &configurator_;
    EngineJobs &engines_;
    VolumeTable &volumes_;
    Inspector &inspector_;
    bool systemd_;
    model::SystemPaths paths_;
    bool running_ = false;
};

}  // namespace volumecrypt::daemon

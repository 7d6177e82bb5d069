// SPDX-License-Identifier: Apache-2.0
// list, status, plan, keys: the commands that only look at volumes.
#include <algorithm>
#include <array>
#include <span>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

// One volume, or all of them.
base::Result<std::vector<VolumeInfo>> chosenVolumes(Session &session) {
    const std::string &id = session.arguments().volume;
    if (id.empty()) return session.client().volumes();
    VC_ASSIGN(VolumeInfo volume, session.client().volume(id));
    return std::vector<VolumeInfo>{std::move(volume)};
}

base::Result<std::vector<VolumePlan>> chosenPlans(Session &session) {
    const std::string &id = session.arguments().volume;
    if (id.empty()) return session.client().plan();
    VC_ASSIGN(VolumePlan plan, session.client().plan(id));
    return std::vector<VolumePlan>{std::move(plan)};
}

bool hasWork(const VolumePlan &plan) {
    return std::any_of(plan.steps.begin(), plan.steps.end(),
                       [](const PlanStep &step) { return step.changes(); });
}

int runList(Session &session) {
    const auto volumes = session.client().volumes();
    if (!volumes) return failed(session, volumes.error());
    print(session.arguments().json ? jsonDocument(toJson(*volumes))
                                   : renderList(*volumes, session.out()));
    return kExitDone;
}

int runStatus(Session &session) {
    const bool all = session.arguments().volume.empty();
    const auto volumes = chosenVolumes(session);
    if (!volumes) return failed(session, volumes.error());
    base::Result<ServiceInfo> service;
    if (all) service = session.client().service();
    if (!service) return failed(session, service.error());
    if (session.arguments().json) {
        nlohmann::json document = all ? toJson(*service) : toJson(volumes->front());
        if (all) document["volumes"] = toJson(*volumes);
        print(jsonDocument(document));
        return service->problems.empty() ? kExitDone : kExitError;
    }
    std::string text = all ? renderService(*service, session.out()) : "";
    for (const auto &volume : *volumes) {
        if (!text.empty()) text += '\n';
        text += renderVolume(volume, session.out());
    }
    print(text);
    return service->problems.empty() ? kExitDone : kExitError;
}

int runPlan(Session &session) {
    const auto plans = chosenPlans(session);
    if (!plans) return failed(session, plans.error());
    print(session.arguments().json ? jsonDocument(toJson(*plans))
                                   : renderPlans(*plans, session.out()));
    return std::any_of(plans->begin(), plans->end(), hasWork) ? kExitPlanned : kExitDone;
}

int runKeys(Session &session) {
    const auto volume = session.client().volume(session.arguments().volume);
    if (!volume) return failed(session, volume.error());
    print(session.arguments().json ? jsonDocument(toJson(volume->slots))
                                   : renderSlots(*volume, session.out()));
    return kExitDone;
}

}  // namespace

std::span<const Command> showCommands() {
    static constexpr std::array rows{
        Command{.group = kShow,
                .name = "list",
                .help = "List the volumes",
                .run = runList,
                .needsNoRight = true},
        Command{.group = kShow,
                .name = "status",
                .help = "Show volumes in full, and what is wrong with the configuration",
                .takes = takesAnyVolume,
                .run = runStatus,
                .needsNoRight = true},
        Command{.group = kShow,
                .name = "plan",
                .help = "Show what sync would change, and why; changes nothing",
                .takes = takesAnyVolume,
                .run = runPlan},
        Command{.group = kShow,
                .name = "keys",
                .help = "List the key slots of a volume",
                .takes = takesVolume,
                .run = runKeys,
                .needsNoRight = true}};
    return rows;
}

}  // namespace volumecrypt::cli

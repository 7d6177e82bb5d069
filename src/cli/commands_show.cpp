// SPDX-License-Identifier: Apache-2.0
// list, status, plan, keys, jobs, watch.
#include "cli/commands_show.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/chrono.h>

#include "cli/exit_code.h"
#include "cli/render.h"
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

// RFC 3339, with milliseconds.
std::string utcTimeNow() {
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return fmt::format("{:%Y-%m-%dT%H:%M}:{:%S}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                       now.time_since_epoch());
}

nlohmann::json eventJson(const Event &event) {
    nlohmann::json values = nlohmann::json::object();
    for (const auto &[name, value] : event.values) values[name] = value;
    nlohmann::json line = {{"type", "event"},
                           {"time", utcTimeNow()},
                           {"what", event.what},
                           {"values", std::move(values)},
                           {"old", event.old}};
    if (!event.operation.empty()) line["operation"] = event.operation;
    if (!event.volume.empty()) line["volume"] = event.volume;
    if (!event.job.empty()) line["job"] = event.job;
    return line;
}

}  // namespace

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

int runJobs(Session &session) {
    const auto jobs = session.client().jobs();
    if (!jobs) return failed(session, jobs.error());
    print(session.arguments().json ? jsonDocument(toJson(*jobs))
                                   : renderJobs(*jobs, session.out()));
    return kExitDone;
}

int runWatch(Session &session) {
    // Starts the service where it does not run yet, or says why it cannot.
    if (const auto service = session.client().service(); !service)
        return failed(session, service.error());
    const auto end = session.client().watch([&](const Event &event) {
        print(session.arguments().json ? jsonLine(eventJson(event))
                                       : renderEvent(event, session.out()));
        return std::ferror(stdout) == 0;
    });
    return end ? kExitDone : failed(session, end.error());
}

}  // namespace volumecrypt::cli

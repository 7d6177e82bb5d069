// SPDX-License-Identifier: Apache-2.0
// jobs, watch, cancel.
#include <array>
#include <chrono>
#include <cstdio>
#include <span>

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

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

int runJobs(Session &session) {
    const auto jobs = session.client().jobs();
    if (!jobs) return failed(session, jobs.error());
    print(session.arguments().json ? jsonDocument(toJson(*jobs))
                                   : renderJobs(*jobs, session.out()));
    return kExitDone;
}

int runWatch(Session &session) {
    if (const std::string &job = session.arguments().job; !job.empty())
        return session.finish(job, "");
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

int runCancel(Session &session) {
    const std::string &job = session.arguments().job;
    const auto done = session.client().cancel(job);
    if (!done) return failed(session, done.error());
    session.result("Job " + job + " stops at its next safe point.", "", {{"job", job}});
    return kExitDone;
}

Parameters mayTakeJob() {
    return {{.name = "JOB",
             .help = "Show how far this job is until it ends, and exit as it does",
             .target = &Arguments::job,
             .offer = Offer::Jobs}};
}

Parameters takesJob() {
    return {{.name = "JOB",
             .help = "The job's number, as `jobs` prints it",
             .target = &Arguments::job,
             .offer = Offer::Jobs,
             .required = true}};
}

}  // namespace

std::span<const Command> jobsCommands() {
    static constexpr std::array rows{
        Command{.group = kShow,
                .name = "jobs",
                .help = "List running and just finished jobs",
                .run = runJobs,
                .needsNoRight = true},
        Command{.group = kShow,
                .name = "watch",
                .help = "Print changes as they happen, until interrupted; with JOB, wait for it",
                .takes = mayTakeJob,
                .run = runWatch,
                .needsNoRight = true},
        Command{.group = kChangeJobs,
                .name = "cancel",
                .help = "Stop a job at its next safe point",
                .takes = takesJob,
                .run = runCancel}};
    return rows;
}

}  // namespace volumecrypt::cli

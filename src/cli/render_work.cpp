// SPDX-License-Identifier: Apache-2.0
// Plans, jobs and events as text.
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/render.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

struct Look {
    const char *sign;
    Colour colour;
};

// The signs of a diff, and "!" for what was refused, "?" for what must wait.
Look lookOf(const std::string &action) {
    if (action == "keep") return {" ", Colour::Dim};
    if (action == "adopt") return {"=", Colour::Green};
    if (action == "format") return {"*", Colour::Yellow};
    if (action == "unlock" || action == "mount") return {"+", Colour::Green};
    if (action == "lock" || action == "unmount") return {"-", Colour::Red};
    if (action == "units" || action == "remount" || action == "keys") return {"~", Colour::Yellow};
    if (action == "add") return {"+", Colour::Green};
    if (action == "replace") return {"~", Colour::Yellow};
    if (action == "remove") return {"-", Colour::Red};
    if (action == "defer") return {"?", Colour::Yellow};
    if (action == "warn") return {"!", Colour::Yellow};
    if (action == "note") return {" ", Colour::None};
    return {"!", Colour::Red};
}

std::string slotText(const PlanStep &step) {
    return step.slot ? std::to_string(*step.slot) : "";
}

std::string summary(const VolumePlan &plan) {
    std::size_t changes = 0;
    for (const auto &step : plan.steps) changes += step.changes() ? 1 : 0;
    if (changes == 0) return "nothing to do";
    return changes == 1 ? "1 step" : fmt::format("{} steps", changes);
}

std::uint64_t nowMicroseconds() {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(
        duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

std::string resultText(const JobInfo &job) {
    if (job.finishedAt == 0) return "running";
    return job.error.empty() ? "done" : job.error;
}

std::string progressText(const JobInfo &job) {
    if (job.progress < 0) return "";
    return fmt::format("{:.0f}%", job.progress * 100);
}

std::string durationText(const JobInfo &job) {
    const std::uint64_t end = job.finishedAt != 0 ? job.finishedAt : nowMicroseconds();
    return humanSeconds(end > job.startedAt ? (end - job.startedAt + 500'000) / 1'000'000 : 0);
}

std::string valueText(const nlohmann::json &value) {
    if (value.is_string()) return value.get<std::string>();
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string renderPlans(const std::vector<VolumePlan> &plans, const Style &style) {
    std::string out;
    if (!style.terminal) {
        Table lines({});
        for (const auto &plan : plans)
            for (const auto &step : plan.steps)
                lines.add({plan.id, step.action, slotText(step), step.kind, step.reason});
        return lines.render(style);
    }
    for (const auto &plan : plans) {
        out += fmt::format("{}: {}\n", style.paint(Colour::Bold, field(plan.id)), summary(plan));
        Table table({"", "STEP", "SLOT", "KIND", "REASON"});
        for (const auto &step : plan.steps) {
            const Look look = lookOf(step.action);
            table.add({Cell(look.sign, look.colour), Cell(step.action, look.colour),
                       Cell(slotText(step), look.colour), Cell(step.kind, look.colour),
                       Cell(step.reason, look.colour)});
        }
        out += table.render(style, 2);
    }
    if (plans.empty()) out += "No volume is declared.\n";
    return out;
}

std::string renderResult(const JobResult &result, const Style &style) {
    if (!style.terminal)
        return field(result.volume) + "\t" + field(result.action) + "\t" + field(result.text) +
               "\n";
    const Look look = lookOf(result.action);
    return fmt::format("{} {}: {}\n", style.paint(look.colour, look.sign),
                       style.paint(Colour::Bold, field(result.volume)), printable(result.text));
}

std::string renderJobs(const std::vector<JobInfo> &jobs, const Style &style) {
    Table table(
        {"JOB", "OPERATION", "VOLUME", "PROGRESS", "STARTED", "USER", "RESULT", "TIME", "MESSAGE"});
    for (const auto &job : jobs)
        table.add({Cell(job.number, Colour::Bold), job.operation, job.volume, progressText(job),
                   localTime(job.startedAt), std::to_string(job.startedByUid), resultText(job),
                   durationText(job), job.message.substr(0, job.message.find('\n'))});
    if (table.empty() && style.terminal) return "No job runs, and none has just ended.\n";
    return table.render(style);
}

std::string renderEvent(const Event &event, const Style &style) {
    const std::string subject = event.volume.empty() ? "job " + event.job : event.volume;
    const char *separator = style.terminal ? "  " : "\t";
    std::string out = localTime(nowMicroseconds()) + separator +
                      style.paint(Colour::Bold, printable(subject)) + separator + event.what;
    for (const auto &[name, value] : event.values) {
        out += separator + printable(name) +
               (value.is_null() ? std::string() : "=" + printable(valueText(value)));
        if (const auto old = event.old.find(name); old != event.old.end())
            out += " (was " + printable(valueText(old->second)) + ")";
    }
    if (!event.operation.empty()) out += separator + ("(" + printable(event.operation) + ")");
    return out + "\n";
}

}  // namespace volumecrypt::cli

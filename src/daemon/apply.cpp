// SPDX-License-Identifier: Apache-2.0
// The order matters: lock what left before its units are gone, unmount what moved before it is
// mounted elsewhere, then reload, start, sync.
#include "daemon/apply.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/consumer.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

using model::VolumeState;

bool isOpen(const Volume &volume) {
    return volume.status().isOpen();
}

bool canSync(const Volume &volume) {
    // A plain file is never unlocked, yet has keys.
    const bool isFile = !volume.spec().device.path.starts_with("/dev/");
    // Keys of one that is being reencrypted are not changed.
    return volume.status().state == VolumeState::Unlocked ||
           (isFile && volume.status().state == VolumeState::Locked);
}

base::Error configError(const std::vector<config::Problem> &problems) {
    base::Error error;
    error.code = base::ErrorCode::InvalidConfig;
    std::size_t count = 0;
    for (const auto &problem : problems) {
        if (problem.level != config::Level::Error) continue;
        if (count++ == 0) error.message = problem.text();
    }
    if (count > 1) error.message += " (and " + std::to_string(count - 1) + " more)";
    error.hint =
        "correct the configuration (`volumecryptctl check` lists all errors); nothing was changed";
    return error;
}

base::Error stillMapped() {
    base::Error error;
    error.code = base::ErrorCode::Busy;
    error.message = "it left the configuration, but is in use and stays unlocked";
    error.hint = "close what uses it, then apply again";
    return error;
}

}  // namespace

struct Apply::Work {
    JobPointer job;
    ApplyPlan plan;
    std::vector<std::string> notes;
    std::optional<base::Error> firstError;

    void note(const std::string &text) { notes.push_back(text); }
    void failed(const std::string &subject, const base::Error &error) {
        if (!firstError) firstError = error;
        notes.push_back(subject + ": " + oneLine(error));
    }
    [[nodiscard]] std::string summary() const {
        std::string text;
        for (const auto &note : notes) text += (text.empty() ? "" : "; ") + note;
        return text.empty() ? "nothing to do" : text;
    }
};

Apply::Apply(Configurator &configurator, EngineJobs &engines, JobTable &jobs, VolumeTable &volumes,
             Inspector &inspector, Unlocker &unlocker, SystemdManager *systemd,
             model::SystemPaths paths)
    : configurator_(configurator),
      engines_(engines),
      jobs_(jobs),
      volumes_(volumes),
      inspector_(inspector),
      unlocker_(unlocker),
      systemd_(systemd),
      paths_(std::move(paths)) {}

base::Result<JobPointer> Apply::start(const Authorized<action::ManageKeys> &proof) {
    if (running_)
        return base::fail(base::ErrorCode::Busy, "another apply is running", "wait for its job");
    configurator_.read();
    if (volumes_.hasErrors()) return base::fail(configError(volumes_.problems()));
    running_ = true;
    const auto work = std::make_shared<Work>();
    work->job = jobs_.create("apply", "", proof.caller().uid);
    configurator_.inspectAll([this, work] { run(work); });
    return work->job;
}

void Apply::run(const WorkPointer &work) {
    work->plan = planApply(volumes_.all(), readSystemView(paths_));
    const auto &plan = work->plan;
    std::vector<AsyncStep> steps;
    // Each step asks first whether the job was cancelled: between two volumes is a safe point.
    const auto add = [&steps, work](AsyncStep step) {
        steps.emplace_back([work, step = std::move(step)](Done next) {
            if (work->job->cancelled())
                return next(base::fail(base::ErrorCode::Cancelled, "apply was cancelled",
                                       "Apply goes on from where it is"));
            step(std::move(next));
        });
    };
    for (const auto &stop : plan.departed)
        add([this, work, stop](const Done &next) { stopDeparted(work, stop, next); });
    for (const auto &stop : plan.moved)
        add([this, work, stop](const Done &next) { stopMoved(work, stop, next); });
    if (systemd_ != nullptr) add([this](Done next) { systemd_->reload(std::move(next)); });
    for (const auto &volume : plan.start)
        add([this, work, volume](const Done &next) { startVolume(work, volume, next); });
    for (const auto &volume : plan.sync)
        add([this, work, volume](const Done &next) { syncVolume(work, volume, next); });
    for (const auto &note : plan.skipped) work->note(note);
    runInOrder(std::move(steps),
               [this, work](const base::Status &status) { finish(work, status); });
}

void Apply::stopUnits(const std::set<std::string> &units, Done done) {
    std::vector<AsyncStep> steps;
    steps.reserve(units.size());
    for (const auto &unit : units)
        steps.emplace_back([this, unit](Done next) { systemd_->stopUnit(unit, std::move(next)); });
    runInOrder(std::move(steps), std::move(done));
}

bool Apply::isMapped(const model::VolumeId &id) const {
    return readSystemView(paths_).mapped.contains(id);
}

void Apply::stopDeparted(const WorkPointer &work, const ApplyPlan::Stop &stop, const Done &next) {
    const auto id = stop.volume;
    const auto settled = [this, work, id, next](const base::Status &status) {
        if (!status)
            work->failed(id.text(), status.error());
        else if (isMapped(id))
            work->failed(id.text(), stillMapped());
        else
            work->note(id.text() + ": locked, as it left the configuration");
        next({});
    };
    if (systemd_ == nullptr) {
        // A volume without a declaration; detach needs none.
        const auto volume = std::make_shared<Volume>(model::VolumeSpec(id));
        return engines_.run(
            volume, {.verb = "detach", .volume = id}, work->job,
            [settled](base::Result<EngineResult> result) {
                settled(result ? base::Status() : base::fail(std::move(result).error()));
            });
    }
    std::vector<AsyncStep> steps;
    steps.emplace_back([this, stop](Done done) { stopUnits(stop.consumers, std::move(done)); });
    steps.emplace_back(
        [this, id](Done done) { systemd_->stopUnit(model::attachUnit(id), std::move(done)); });
    runInOrder(std::move(steps), settled);
}

void Apply::stopMoved(const WorkPointer &work, const ApplyPlan::Stop &stop, const Done &next) {
    if (systemd_ == nullptr) return next({});
    stopUnits(stop.consumers, [work, stop, next](const base::Status &status) {
        if (!status)
            work->failed(stop.volume.text(), status.error());
        else
            work->note(stop.volume.text() + ": unmounted from where it no longer belongs");
        next({});
    });
}

void Apply::startVolume(const WorkPointer &work, const VolumePointer &volume, const Done &next) {
    const bool wasOpen = isOpen(*volume);
    if (wasOpen && systemd_ == nullptr) return next({});
    if (auto begun = volume->begin("apply"); !begun) {
        work->failed(volume->id().text(), begun.error());
        return next({});
    }
    unlocker_.open(volume, {}, work->job, [=, this](const base::Status &opened) {
        inspector_.inspect(volume, [=, this] {
            volume->end();
            if (!opened) work->failed(volume->id().text(), opened.error());
            if (opened && !wasOpen && isOpen(*volume))
                work->note(volume->id().text() + ": unlocked");
            if (!opened || wasOpen || systemd_ == nullptr || !volume->spec().encryption)
                return next({});
            // The attach unit has pulled in its sync unit: wait for that one, or ours would be
            // Busy.
            systemd_->startUnit(model::syncUnit(volume->id()),
                                [next](const base::Status &) { next({}); });
        });
    });
}

void Apply::syncVolume(const WorkPointer &work, const VolumePointer &volume, const Done &next) {
    const auto id = volume->id().text();
    if (!canSync(*volume)) return next({});
    if (auto begun = volume->begin("apply"); !begun) {
        work->failed(id, begun.error());
        return next({});
    }
    engines_.run(volume, {.verb = "sync", .volume = volume->id()}, work->job,
                 [this, work, volume, id, next](const base::Result<EngineResult> &result) {
                     if (!result)
                         work->failed(id, result.error());
                     else if (const auto text = summaryOf(*result); text != "nothing to do")
                         work->note(id + ": " + text);
                     inspector_.inspect(volume, [volume, next] {
                         volume->end();
                         next({});
                     });
                 });
}

void Apply::finish(const WorkPointer &work, const base::Status &status) {
    running_ = false;
    if (!status) work->failed("apply", status.error());
    if (!work->firstError) return jobs_.finish(*work->job, work->summary());
    base::Error error = *work->firstError;
    error.message = work->summary();
    error.hint.clear();
    jobs_.finish(*work->job, base::fail(std::move(error)));
}

}  // namespace volumecrypt::daemon

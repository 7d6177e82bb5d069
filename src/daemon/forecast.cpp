// SPDX-License-Identifier: Apache-2.0
// The plan of Apply, and an engine's plan for every volume that Apply would start or sync.
#include "daemon/forecast.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace volumecrypt::daemon {
namespace {

using model::VolumeState;

StepText ofVolume(const char *action, std::string reason) {
    return {.action = action, .slot = 0, .kind = kVolumeStep, .reason = std::move(reason)};
}

StepText refusal(const base::Error &error) {
    if (error.slot)
        return {
            .action = "refuse", .slot = *error.slot, .kind = "unknown", .reason = oneLine(error)};
    return ofVolume("refuse", oneLine(error));
}

std::string formatReason(const Volume &volume) {
    return volume.spec().encryption
               ? "the device is blank: it will be encrypted, unlocked and given a file system"
               : "the device is blank: it will be given a file system";
}

}  // namespace

struct Forecast::Work {
    ApplyPlan plan;
    std::map<std::string, Steps> steps;  // by ID
    std::set<VolumePointer> starts;
    Planned planned;

    void add(const model::VolumeId &id, StepText step) {
        steps[id.text()].push_back(std::move(step));
    }
};

void Forecast::plan(const Authorized<action::ManageKeys> &, Planned planned) {
    if (running_)
        return planned(base::fail(base::ErrorCode::Busy, "another plan of all volumes is running",
                                  "Wait for its answer."));
    if (auto read = configurator_.readWhole(); !read)
        return planned(base::fail(std::move(read).error()));
    running_ = true;
    const auto work = std::make_shared<Work>();
    work->planned = std::move(planned);
    configurator_.inspectAll([this, work] { run(work); });
}

void Forecast::addKnown(Work &work) const {
    for (const auto &stop : work.plan.departed)
        work.add(stop.volume, stop.mapped
                                  ? ofVolume("lock", "it left the configuration: it will be locked")
                                  : ofVolume("units", "it left the configuration: its units go"));
    for (const auto &stop : work.plan.moved)
        work.add(stop.volume, ofVolume("unmount", "it is mounted where it no longer belongs"));
    for (const auto &refused : work.plan.refused) work.add(refused.volume, refusal(refused.error));
    for (const auto &left : work.plan.left) work.add(left.volume, ofVolume("keep", left.why));
    for (const auto &units : work.plan.units)
        work.add(units.volume->id(), ofVolume("units", units.text));
    for (const auto &remount : work.plan.remount)
        work.add(remount.volume->id(),
                 ofVolume("remount", "it will be remounted with " + joined(remount.flags)));
}

void Forecast::run(const WorkPointer &work) {
    work->plan = planApply(volumes_.all(), paths_, systemd_);
    addKnown(*work);
    work->starts.insert(work->plan.start.begin(), work->plan.start.end());
    std::vector<AsyncStep> looks;
    for (const auto &volume : volumes_.all()) {
        const bool sync = canSync(*volume);
        if (volume->spec().isFile() && volume->spec().encryption && !sync)
            work->add(volume->id(),
                      ofVolume("keep",
                               "a plain file is formatted by nothing but `volumecryptctl "
                               "format`"));
        if (!work->starts.contains(volume) && !sync) continue;
        looks.emplace_back([this, work, volume](const Done &next) { look(work, volume, next); });
    }
    runInOrder(std::move(looks), [this, work](const base::Status &) {
        running_ = false;
        All all;
        // Those of the inspection too: not every volume has been looked at by a plan.
        for (const auto &volume : volumes_.all()) {
            auto &steps = work->steps[volume->id().text()];
            for (const auto &[code, text] : volume->status().warnings)
                addFinding(steps, kWarnStep, text);
        }
        for (auto &[id, steps] : work->steps) all.emplace_back(id, std::move(steps));
        work->planned(std::move(all));
    });
}

void Forecast::look(const WorkPointer &work, const VolumePointer &volume, const Done &next) {
    if (auto begun = volume->begin("plan"); !begun) {
        work->add(volume->id(), refusal(begun.error()));
        return next({});
    }
    engines_.run(volume, {.verb = "plan", .volume = volume->id()}, nullptr,
                 [this, work, volume, next](const base::Result<EngineResult> &result) {
                     volume->end();
                     inspector_.catchUp(volume);
                     take(*work, *volume, result);
                     next({});
                 });
}

void Forecast::take(Work &work, const Volume &volume,
                    const base::Result<EngineResult> &result) const {
    const auto &id = volume.id();
    if (!result) return work.add(id, refusal(result.error()));
    const bool starts =
        std::any_of(work.starts.begin(), work.starts.end(),
                    [&volume](const auto &other) { return other.get() == &volume; });
    if (starts && result->state == VolumeState::Blank) {
        work.add(id, ofVolume("format", formatReason(volume)));
    } else if (starts && volume.spec().encryption && !volume.status().isOpen()) {
        work.add(id, ofVolume("unlock", "it is locked"));
    }
    for (const auto &step : result->steps) work.add(id, step);
    addFindings(work.steps[id.text()], *result);
    if (!starts || !systemd_ || !volume.spec().mount) return;
    const auto &where = volume.spec().mount->where;
    const bool unmounts = work.plan.unmounts(where);
    if (isMounted(volume, paths_) && !unmounts) return;
    const auto obstacle = unmounts ? std::nullopt : mountObstacle(volume, paths_);
    work.add(id,
             obstacle ? refusal(*obstacle) : ofVolume("mount", "it is not mounted on " + where));
}

}  // namespace volumecrypt::daemon

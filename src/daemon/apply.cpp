// SPDX-License-Identifier: Apache-2.0
// The order matters: lock what left before its units are gone, unmount what moved before it is
// mounted elsewhere, then reload, start, sync.
#include "daemon/apply.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/secret_buffer.h"
#include "daemon/apply_plan.h"
#include "daemon/outcome_file.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

using model::VolumeState;

// No more of what was sent is repeated.
constexpr std::size_t kQuoted = 64;

bool isOpen(const Volume &volume) {
    return volume.status().isOpen();
}

// Empty when no key was changed: that a record was written anew concerns nobody.
std::string keysText(const EngineResult &result) {
    auto text = summaryOf(result);
    if (text == "done" || text == "nothing to do") text.clear();
    return text;
}

// What a passphrase that somebody gave can help with.
bool needsSecret(const base::Error &error) {
    return error.code == base::ErrorCode::NoUsableKey || base::isKeyWithheld(error.code);
}

}  // namespace

struct Apply::Work {
    JobPointer job;
    ApplyPlan plan;
    std::optional<base::Error> firstError;
    std::optional<model::VolumeId> only;
    base::UniqueFd given;                      // what the caller passed, until it is read
    std::optional<base::SecretBuffer> secret;  // what was read
    void warn(const Volume &volume, const std::string &text) const {
        const JobResult result{.volume = volume.id().text(), .action = kWarnStep, .text = text};
        const auto &told = job->results();
        if (std::find(told.begin(), told.end(), result) == told.end()) job->addResult(result);
    }
    void warn(const Volume &volume, const EngineResult &result) const {
        for (const auto &warning : result.warnings) warn(volume, warning.message);
    }
    // Whether a volume is among those to be dealt with.
    [[nodiscard]] bool concerns(const model::VolumeId &id) const { return !only || *only == id; }
    void did(const model::VolumeId &id, const char *action, const std::string &text) const {
        job->addResult({.volume = id.text(), .action = action, .text = text});
    }
    void failed(const std::string &volume, const base::Error &error) {
        if (!firstError) firstError = error;
        job->addResult({.volume = volume, .action = "fail", .text = fullText(error)});
    }
    [[nodiscard]] std::string summary() const {
        std::string text;
        for (const auto &result : job->results()) {
            if (result.action == kWarnStep) continue;
            if (!text.empty()) text += "; ";
            if (!result.volume.empty()) text += result.volume + ": ";
            for (const char c : result.text)
                text += c == '\n' ? std::string("; ") : std::string(1, c);
        }
        return text.empty() ? "nothing to do" : text;
    }
};

Apply::Apply(EventLoop &loop, Configurator &configurator, EngineJobs &engines, JobTable &jobs,
             VolumeTable &volumes, Inspector &inspector, Unlocker &unlocker,
             SystemdManager *systemd, model::SystemPaths paths)
    : configurator_(configurator),
      engines_(engines),
      jobs_(jobs),
      volumes_(volumes),
      inspector_(inspector),
      unlocker_(unlocker),
      systemd_(systemd),
      paths_(std::move(paths)),
      reader_(loop) {}

base::Result<std::optional<model::VolumeId>> Apply::chosen(const std::string &id) const {
    if (id.empty()) return std::optional<model::VolumeId>();
    if (const auto volume = volumes_.find(id)) return std::optional(volume->id());
    const auto parsed = model::VolumeId::parse(id);
    const auto view = readSystemView(paths_);
    if (parsed && (view.generated.contains(*parsed) || view.mapped.contains(*parsed)))
        return std::optional(*parsed);
    return base::fail(base::ErrorCode::NotFound,
                      "no volume '" + id.substr(0, kQuoted) + "' is declared, or left to be locked",
                      "`volumecryptctl plan` shows what there is to do.");
}

base::Result<JobPointer> Apply::start(const Authorized<action::ManageKeys> &proof,
                                      ApplyOptions options) {
    if (running_)
        return base::fail(base::ErrorCode::Busy, "another apply is running", "Wait for its job.");
    VC_TRY(configurator_.readWhole());
    VC_ASSIGN(const auto only, chosen(options.volume));
    running_ = true;
    const auto work = std::make_shared<Work>();
    work->only = only;
    work->given = std::move(options.secret);
    work->job = jobs_.create("apply", "", proof.caller().uid);
    configurator_.inspectAll([this, work] { run(work); });
    return work->job;
}

void Apply::run(const WorkPointer &work) {
    work->plan = planApply(volumes_.all(), paths_, systemd_ != nullptr);
    if (work->only) work->plan.keepOnly(*work->only);
    const auto &plan = work->plan;
    std::vector<AsyncStep> steps;
    // Each step asks first whether the job was cancelled: between two volumes is a safe point.
    const auto add = [&steps, work](AsyncStep step) {
        steps.emplace_back([work, step = std::move(step)](Done next) {
            if (work->job->cancelled())
                return next(base::fail(base::ErrorCode::Cancelled, "apply was cancelled",
                                       "Apply goes on from where it is."));
            step(std::move(next));
        });
    };
    for (const auto &stop : plan.departed)
        add([this, work, stop](const Done &next) { stopDeparted(work, stop, next); });
    for (const auto &stop : plan.moved)
        add([this, work, stop](const Done &next) { stopMoved(work, stop, next); });
    // For one volume, only when it is about its units: those of others that left the configuration
    // would be gone before they are stopped.
    const bool anew = !work->only || plan.changes.concern(*work->only) || !plan.departed.empty();
    if (systemd_ != nullptr && anew && plan.othersStop) return finish(work, othersFirst());
    if (systemd_ != nullptr && anew)
        add([this, work](const Done &next) { reloadUnits(work, next); });
    for (const auto &remount : plan.remount)
        add([this, work, remount](const Done &next) { remountVolume(work, remount, next); });
    for (const auto &volume : plan.start)
        add([this, work, volume](const Done &next) { startVolume(work, volume, next); });
    for (const auto &volume : plan.sync)
        add([this, work, volume](const Done &next) { syncVolume(work, volume, next); });
    for (const auto &left : plan.left) work->did(left.volume, "keep", left.why);
    for (const auto &refused : plan.refused) work->failed(refused.volume.text(), refused.error);
    runInOrder(std::move(steps),
               [this, work](const base::Status &status) { finish(work, status); });
}

// Only of the volume that it was given for, and only where it is needed. What the caller passed may
// be a pipe, or of a file system that does not answer: it is read once, and not here.
void Apply::withSecret(const WorkPointer &work, UseSecret use) {
    if (work->secret) return use(base::secretToMemfd(*work->secret));
    if (!work->given.valid()) return use(base::UniqueFd());
    reader_.read(work->job->record().uid, std::move(work->given), base::kLongestSecret,
                 [work, use = std::move(use)](base::Result<base::SecretBuffer> read) {
                     if (!read) return use(base::fail(std::move(read).error()));
                     work->secret = std::move(*read);
                     use(base::secretToMemfd(*work->secret));
                 });
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
    const auto settled = [this, work, id, stop, next](const base::Status &status) {
        if (!status)
            work->failed(id.text(), status.error());
        else if (isMapped(id))
            work->failed(id.text(), stillMapped());
        else if (stop.mapped)
            work->did(id, "lock", "locked, as it left the configuration");
        else
            work->did(id, "units", "left the configuration; it was not unlocked");
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
    auto units = stop.consumers;
    units.insert({model::attachUnit(id), model::syncUnit(id)});
    // What failed before it left would stay in the list of failed units for good.
    for (const auto &unit : units)
        steps.emplace_back(
            [this, unit](Done done) { systemd_->resetFailed(unit, std::move(done)); });
    runInOrder(std::move(steps), settled);
}

void Apply::stopMoved(const WorkPointer &work, const ApplyPlan::Stop &stop, const Done &next) {
    if (systemd_ == nullptr) return next({});
    stopUnits(stop.consumers, [work, stop, next](const base::Status &status) {
        if (!status)
            work->failed(stop.volume.text(), status.error());
        else
            work->did(stop.volume, "unmount", "unmounted from where it no longer belongs");
        next({});
    });
}

void Apply::reloadUnits(const WorkPointer &work, const Done &next) {
    systemd_->reload([work, next](const base::Status &status) {
        if (status)
            for (const auto &units : work->plan.units)
                work->did(units.volume->id(), "units", units.text);
        next(status);
    });
}

void Apply::remountVolume(const WorkPointer &work, const ApplyPlan::Remount &remount,
                          const Done &next) {
    const auto &volume = remount.volume;
    if (auto begun = volume->begin("apply"); !begun) {
        work->failed(volume->id().text(), begun.error());
        return next({});
    }
    systemd_->reloadUnit(volume->spec().consumerUnit(), [=, this](const base::Status &status) {
        volume->end();
        // What it says is believed when the kernel says so too.
        const auto left = flagsToRemount(*volume, paths_).value_or(remount.flags);
        if (status && left.empty())
            work->did(volume->id(), "remount", "remounted with " + joined(remount.flags));
        else
            work->failed(volume->id().text(), notRemounted(*volume, left, status));
        next({});
    });
}

void Apply::startVolume(const WorkPointer &work, const VolumePointer &volume, const Done &next) {
    if (isOpen(*volume) && systemd_ == nullptr) return next({});
    // Since the plan was made.
    if (isHeld(*volume)) {
        work->did(volume->id(), "keep", kHeld);
        return next({});
    }
    if (auto begun = volume->begin("apply"); !begun) {
        work->failed(volume->id().text(), begun.error());
        return next({});
    }
    const Before before{.state = volume->status().state,
                        .open = isOpen(*volume),
                        .mounted = isMounted(*volume, paths_),
                        .begun = std::chrono::system_clock::now() - kFileTimeSlack};
    open(work, volume, [=, this](const base::Status &opened) {
        inspector_.inspect(volume, [=, this] {
            volume->end();
            started(*work, *volume, before, opened);
            if (!opened || before.open || systemd_ == nullptr || !volume->spec().encryption)
                return next({});
            // The attach unit has pulled in its sync unit: wait for that one, or ours would be
            // Busy.
            systemd_->startUnit(model::syncUnit(volume->id()), [=, this](const base::Status &) {
                synced(*work, *volume, before);
                next({});
            });
        });
    });
}

void Apply::open(const WorkPointer &work, const VolumePointer &volume, const Done &opened) {
    unlocker_.open(volume, {}, work->job, [=, this](const base::Status &status) {
        if (status || !needsSecret(status.error())) return opened(status);
        withSecret(work, [=, this](base::Result<base::UniqueFd> secret) {
            if (!secret) return opened(base::fail(std::move(secret).error()));
            if (!secret->valid()) return opened(status);
            unlocker_.open(volume, std::move(*secret), work->job, opened);
        });
    });
}

// Says what came of it, each thing in a line of its own.
void Apply::started(Work &work, const Volume &volume, const Before &before,
                    const base::Status &opened) const {
    if (!opened) return work.failed(volume.id().text(), withFileHint(opened.error(), volume));
    const auto state = volume.status().state;
    if (before.state == VolumeState::Blank && state != VolumeState::Blank)
        work.did(volume.id(), "format",
                 volume.spec().encryption ? "formatted and unlocked" : "given a file system");
    else if (!before.open && isOpen(volume))
        work.did(volume.id(), "unlock", "unlocked");
    // It may be declared without one since it was begun.
    if (before.mounted || systemd_ == nullptr || !volume.spec().mount) return;
    if (isMounted(volume, paths_))
        work.did(volume.id(), "mount", "mounted on " + volume.spec().mount->where);
    else if (const auto obstacle = mountObstacle(volume, paths_))
        work.failed(volume.id().text(), *obstacle);
}

// Of the unit that followed the attach; what it did is not there to be done again.
void Apply::synced(Work &work, const Volume &volume, const Before &before) const {
    const auto outcome = OutcomeFiles(paths_).read(volume.id(), "sync");
    if (!outcome || outcome->when < before.begun || !outcome->result) return;
    if (const auto text = keysText(*outcome->result); !text.empty())
        work.did(volume.id(), "keys", text);
    work.warn(volume, *outcome->result);
}

void Apply::syncVolume(const WorkPointer &work, const VolumePointer &volume, const Done &next) {
    if (!canSync(*volume)) return next({});
    if (auto begun = volume->begin("apply"); !begun) {
        work->failed(volume->id().text(), begun.error());
        return next({});
    }
    runSync(work, volume, [this, work, volume, next](const base::Result<EngineResult> &result) {
        if (!result)
            work->failed(volume->id().text(), withFileHint(result.error(), *volume));
        else if (const auto text = keysText(*result); !text.empty())
            work->did(volume->id(), "keys", text);
        if (result) work->warn(*volume, *result);
        inspector_.inspect(volume, [volume, next] {
            volume->end();
            next({});
        });
    });
}

void Apply::runSync(const WorkPointer &work, const VolumePointer &volume,
                    const EngineJobs::Done &done) {
    trySync(work, volume, [=, this](base::Result<EngineResult> result) {
        if (result || result.error().code != base::ErrorCode::Busy || systemd_ == nullptr)
            return done(std::move(result));
        // Its sync unit is at work, if systemd attached it a moment ago: that one is waited for.
        systemd_->startUnit(model::syncUnit(volume->id()),
                            [=, this](const base::Status &) { trySync(work, volume, done); });
    });
}

void Apply::trySync(const WorkPointer &work, const VolumePointer &volume,
                    const EngineJobs::Done &done) {
    engines_.run(volume, {.verb = "sync", .volume = volume->id()}, work->job,
                 [=, this](base::Result<EngineResult> result) {
                     if (result || !needsSecret(result.error())) return done(std::move(result));
                     withSecret(work, [=, this](base::Result<base::UniqueFd> secret) {
                         if (!secret) return done(base::fail(std::move(secret).error()));
                         if (!secret->valid()) return done(result);
                         engines_.run(
                             volume,
                             {.verb = "sync", .volume = volume->id(), .secret = std::move(*secret)},
                             work->job, done);
                     });
                 });
}

void Apply::finish(const WorkPointer &work, const base::Status &status) {
    running_ = false;
    for (const auto &volume : volumes_.all())
        if (work->concerns(volume->id()))
            for (const auto &[code, text] : volume->status().warnings) work->warn(*volume, text);
    if (!status) work->failed("", status.error());
    if (!work->firstError) return jobs_.finish(*work->job, work->summary());
    base::Error error = *work->firstError;
    error.message = work->summary();
    error.hint.clear();
    jobs_.finish(*work->job, base::fail(std::move(error)));
}

}  // namespace volumecrypt::daemon

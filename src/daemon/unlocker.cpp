// SPDX-License-Identifier: Apache-2.0
// Unlock: attach, then the units that mount. Lock: the same backwards, never lazily.
#include "daemon/unlocker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/journal.h"
#include "daemon/mounted.h"
#include "daemon/unit_changes.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

using base::ErrorCode;

// Systemd stops them with STATE: without its salt they could not be opened again.
std::shared_ptr<std::vector<VolumePointer>> dependentsOf(const Volume &state,
                                                         const VolumeTable &volumes) {
    auto dependents = std::make_shared<std::vector<VolumePointer>>();
    if (state.id().kind() != model::VolumeKind::State) return dependents;
    for (const auto &volume : volumes.all()) {
        if (!volume->spec().encryption || !volume->isUnlocked()) continue;
        const auto &keys = volume->spec().encryption->keys;
        const auto needsState = [](const model::KeySpec &key) {
            return key.lockToState || key.kind() == model::KeyKind::Unmanaged;
        };
        if (std::all_of(keys.begin(), keys.end(), needsState)) dependents->push_back(volume);
    }
    return dependents;
}

base::Error notUnlocked(const Volume &volume) {
    const auto &status = volume.status();
    const std::string why = status.errorMessage.empty() ? "" : ": " + status.errorMessage;
    return {base::errorFromName(status.errorCode).value_or(ErrorCode::Io),
            "volume " + volume.id().text() + " is " + std::string(model::stateName(status.state)) +
                " after unlocking it" + why,
            "See `journalctl -u " + model::attachUnit(volume.id()) + "`."};
}

base::Error stillInUse(const Volume &volume) {
    const std::string &mounted = volume.status().mountPoint;
    const std::string used = mounted.empty() ? model::mappingPath(volume.id()) : mounted;
    return {ErrorCode::Busy, "volume " + volume.id().text() + " is in use",
            "Close what uses it (`fuser -vm " + used + "` lists it), then lock it again."};
}

}  // namespace

void Unlocker::open(const VolumePointer &volume, base::UniqueFd secret, const JobPointer &job,
                    Done done) {
    std::vector<AsyncStep> steps;
    if (systemd_ != nullptr)
        steps.emplace_back([this, volume](const Done &next) { renewUnits(volume, next); });
    if (secret.valid() || systemd_ == nullptr) {
        const auto held = std::make_shared<base::UniqueFd>(std::move(secret));
        steps.emplace_back([this, volume, job, held](Done next) {
            EngineCommand command{
                .verb = "attach", .volume = volume->id(), .secret = std::move(*held)};
            engines_.run(volume, std::move(command), job,
                         [next = std::move(next)](base::Result<EngineResult> result) {
                             next(result ? base::Status() : base::fail(std::move(result).error()));
                         });
        });
    }
    if (systemd_ != nullptr)
        steps.emplace_back(
            [this, volume, job](Done next) { startUnits(volume, job, std::move(next)); });
    runInOrder(std::move(steps), std::move(done));
}

// A volume that came or changed with a Reload has units only once the generator ran: its attach
// unit would run without what the volume needs (a TPM, a network, a key file below /home), and then
// its mount unit would not be there, and leave it half open.
void Unlocker::renewUnits(const VolumePointer &volume, const Done &done) {
    const auto changes = unitChanges(declaredForUnits(paths_), paths_);
    if (const auto refused = changes.refused.find(volume->id()); refused != changes.refused.end()) {
        auto error = refused->second;
        error.message = "volume " + volume->id().text() + " gets no units: " + error.message;
        return done(base::fail(std::move(error)));
    }
    const auto check = [this, volume, done](const base::Status &status) {
        if (!status || hasConsumerUnit(volume->spec(), paths_)) return done(status);
        done(base::fail(base::ErrorCode::Busy,
                        "volume " + volume->id().text() + " was not unlocked: its unit " +
                            volume->spec().consumerUnit() +
                            " does not exist, since the configuration has changed",
                        "Run `volumecryptctl apply`, which reads it and makes the units anew."));
    };
    if (!changes.concern(volume->id())) return check({});
    systemd_->reload(check);
}

void Unlocker::startUnits(const VolumePointer &volume, const JobPointer &job, Done done) {
    const auto begun = std::chrono::system_clock::now() - kFileTimeSlack;
    auto afterAttach = [this, volume, job, begun](const Done &next, base::Status status) {
        const auto outcome = outcomes_.read(volume->id(), "attach");
        const bool fresh = outcome && outcome->when >= begun;
        if (fresh) engines_.remember(*volume, *outcome);
        // The engine knows better than systemd why its unit failed, and has logged it. But it knows
        // of no caller: for one it is logged with the job.
        if (!status && fresh && !outcome->result) {
            if (job && !job->isCalled()) job->noteLogged(outcome->result.error());
            return next(base::fail(outcome->result.error()));
        }
        next(std::move(status));
    };
    std::vector<AsyncStep> steps;
    steps.emplace_back([this, volume, afterAttach](Done next) {
        systemd_->startUnit(model::attachUnit(volume->id()),
                            [afterAttach, next = std::move(next)](base::Status status) {
                                afterAttach(next, std::move(status));
                            });
    });
    // An attach unit that was active already pulls nothing in.
    if (auto unit = volume->spec().consumerUnit(); !unit.empty())
        steps.emplace_back([this, unit = std::move(unit)](Done next) {
            systemd_->startUnit(unit, std::move(next));
        });
    steps.emplace_back([this, volume](const Done &next) { mountNested(*volume, next); });
    runInOrder(std::move(steps), std::move(done));
}

void Unlocker::mountNested(const Volume &volume, const Done &done) {
    std::vector<AsyncStep> steps;
    for (auto &unit : nestedMountUnits(volume, volumes_.all()))
        steps.emplace_back([this, unit = std::move(unit)](const Done &next) {
            // A failure is that volume's own: its MountFailure tells.
            systemd_->startUnit(unit, [next](const base::Status &) { next({}); });
        });
    runInOrder(std::move(steps), done);
}

void Unlocker::close(const VolumePointer &volume, const JobPointer &job, Done done) {
    if (systemd_ == nullptr)
        return engines_.run(
            volume, {.verb = "detach", .volume = volume->id()}, job,
            [done = std::move(done)](base::Result<EngineResult> result) {
                done(result ? base::Status() : base::fail(std::move(result).error()));
            });
    std::vector<AsyncStep> steps;
    if (auto unit = volume->spec().consumerUnit(); !unit.empty())
        steps.emplace_back([this, volume, unit = std::move(unit)](Done next) {
            systemd_->stopUnit(unit, [volume, next = std::move(next)](const base::Status &status) {
                next(status ? base::Status() : base::fail(stillInUse(*volume)));
            });
        });
    steps.emplace_back([this, volume](Done next) {
        // A failing ExecStop leaves the unit "failed" and the job "done": the mapping tells.
        systemd_->stopUnit(model::attachUnit(volume->id()),
                           [this, volume, next = std::move(next)](const base::Status &) {
                               checkClosed(volume, next);
                           });
    });
    runInOrder(std::move(steps),
               [this, volume, done = std::move(done)](const base::Status &closed) {
                   if (closed) return done(closed);
                   // It stays where it is; what lies below was unmounted before it was found to be
                   // in use.
                   mountNested(*volume, [done, closed](const base::Status &) { done(closed); });
               });
}

void Unlocker::checkClosed(const VolumePointer &volume, const Done &done) {
    inspector_.inspect(volume, [this, volume, done] {
        if (!volume->spec().encryption || !volume->isUnlocked()) return done({});
        // Back to what it was: the unit belongs to the mapping, and pulls the mount in.
        systemd_->startUnit(model::attachUnit(volume->id()), [volume, done](const base::Status &) {
            done(base::fail(stillInUse(*volume)));
        });
    });
}

void Unlocker::finish(const VolumePointer &volume, const JobPointer &job,
                      const base::Status &status, const std::string &summary) {
    volume->end();
    if (!status) {
        volumes_.setLastError(*volume, job->record().operation, status.error());
        return jobs_.finish(*job, base::fail(status.error()));
    }
    volumes_.clearLastError(*volume, job->record().operation);
    jobs_.finish(*job, summary);
}

void Unlocker::unlock(const Authorized<action::Unlock> &proof, const VolumePointer &volume,
                      base::UniqueFd secret, Unlocked unlocked) {
    if (auto begun = volume->begin("unlock"); !begun)
        return unlocked(base::fail(std::move(begun).error()));
    marks_.clear(*volume);
    begun(volume, jobs_.create("unlock", volume->id().text(), proof.caller().uid),
          std::move(secret), std::move(unlocked));
}

void Unlocker::forgetPlain(const Volume &volume, const std::function<void()> &then) {
    const auto state = volume.status().state;
    const bool encrypted =
        state == model::VolumeState::Locked || state == model::VolumeState::Reencrypting;
    // One that was refused is mounted, maybe.
    if (systemd_ == nullptr || !encrypted || volume.isUnlocked()) return then();
    const std::string unit = model::attachUnit(volume.id());
    systemd_->stopUnit(unit, [id = volume.id().text(), unit, then](const base::Status &stopped) {
        if (!stopped)
            base::log(base::Severity::Warning,
                      id + ": " + unit + " of the plain volume could not be stopped (" +
                          stopped.error().message + "): stop it before the volume is unlocked",
                      {{"VOLUME", id}});
        then();
    });
}

void Unlocker::retry(const VolumePointer &volume) {
    if (!volume->begin("unlock")) return;
    const auto job = jobs_.create("unlock", volume->id().text(), 0);
    job->setUncalled();
    begun(volume, job, {}, [](const base::Result<std::string> &) {});
}

void Unlocker::begun(const VolumePointer &volume, const JobPointer &job, base::UniqueFd secret,
                     Unlocked unlocked) {
    open(volume, std::move(secret), job,
         [this, volume, job, unlocked = std::move(unlocked)](const base::Status &status) {
             inspector_.inspect(volume, [this, volume, job, unlocked, status] {
                 auto outcome = status;
                 if (outcome && !volume->isUnlocked()) outcome = base::fail(notUnlocked(*volume));
                 finish(volume, job, outcome);
                 if (!outcome) return unlocked(base::fail(std::move(outcome).error()));
                 unlocked(volume->spec().contentDevice());
             });
         });
}

void Unlocker::lock(const Authorized<action::Lock> &proof, const VolumePointer &volume,
                    Locked locked) {
    if (auto begun = volume->begin("lock"); !begun)
        return locked(base::fail(std::move(begun).error()));
    const auto job = jobs_.create("lock", volume->id().text(), proof.caller().uid);
    const auto dependents = dependentsOf(*volume, volumes_);
    close(volume, job,
          [this, volume, job, dependents, locked = std::move(locked)](const base::Status &status) {
              inspector_.inspect(volume, [this, volume, job, dependents, locked, status] {
                  if (status) marks_.set(*volume);
                  findTakenDown(dependents,
                                [this, volume, job, locked, status](const std::string &summary) {
                                    finish(volume, job, status, summary);
                                    locked(status);
                                });
              });
          });
}

void Unlocker::findTakenDown(const std::shared_ptr<std::vector<VolumePointer>> &dependents,
                             const std::function<void(std::string)> &then) {
    std::vector<AsyncStep> looks;
    for (const auto &volume : *dependents)
        looks.emplace_back(
            [this, volume](const Done &next) { inspector_.inspect(volume, [next] { next({}); }); });
    runInOrder(std::move(looks), [dependents, then](const base::Status &) {
        std::string names;
        for (const auto &volume : *dependents)
            if (!volume->isUnlocked()) names += (names.empty() ? "" : ", ") + volume->id().text();
        if (names.empty()) return then("done");
        base::log(base::Severity::Notice,
                  "Locked with STATE, to which all their keys are locked: " + names,
                  {{"VOLUME", "STATE"}, {"OPERATION", "lock"}});
        then("done; locked with it, since all their keys are locked to STATE: " + names);
    });
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// plan: the steps of sync, without taking them and without a lock.
#include <algorithm>
#include <utility>

#include "engine/comparison.h"
#include "engine/content_room.h"
#include "engine/device_state.h"
#include "engine/differences.h"
#include "engine/grow_room.h"
#include "engine/may_format.h"
#include "engine/pin.h"
#include "engine/state_meta.h"
#include "engine/verbs.h"

namespace volumecrypt::engine {
namespace {

Outcome outcomeOf(const Session &session, model::VolumeState state,
                  const std::vector<model::Step> &steps) {
    Outcome outcome;
    outcome.state = state;
    outcome.extra["steps"] = nlohmann::json::array();
    bool differs = false;
    for (const model::Step &step : steps) {
        session.reporter().step(step);
        outcome.extra["steps"].push_back(stepJson(step));
        differs = differs || step.changes();
    }
    outcome.text =
        session.describe() + (differs ? ": sync would take the steps above" : ": nothing to do");
    outcome.exitStatus = differs ? kExitPlanHasSteps : kExitDone;
    return outcome;
}

// An interrupted change is finished by sync before anything else: the plan says so for its slot.
void showPending(const FoundRecord &found, std::vector<model::Step> &steps) {
    if (!found.record || !found.record->pending) return;
    const model::Pending &pending = *found.record->pending;
    const auto at = std::find_if(steps.begin(), steps.end(), [&](const model::Step &step) {
        return step.slot == pending.slot;
    });
    const std::string reason = "a change of this slot was interrupted and will be finished";
    if (at == steps.end())
        steps.push_back({.action = model::StepAction::Remove,
                         .slot = pending.slot,
                         .kind = pending.entry.kind,
                         .reason = reason,
                         .error = {}});
    else if (at->action == model::StepAction::Keep)
        *at = {.action = model::StepAction::Adopt,
               .slot = at->slot,
               .kind = at->kind,
               .reason = reason,
               .error = {}};
}

}  // namespace

base::Result<Outcome> plan(Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    warnOfPassphrasesInMeta(session);
    VC_ASSIGN(const DeviceContent found, lookAtDevice(session));
    const bool blank =
        found.interruptedFormat || found.content.kind == blockdev::ContentKind::Blank;
    if (!session.spec().encryption) {
        if (!blank && found.content.kind != blockdev::ContentKind::Filesystem)
            return base::fail(unexpectedContent(session, found));
        if (blank) {
            VC_TRY(mayFormat(session));
            VC_TRY(expectWritable(session));
            VC_TRY(expectRoom(session));
        }
        if (!blank) warnOfOtherFilesystem(session, found.content);
        return outcomeOf(session, blank ? model::VolumeState::Blank : model::VolumeState::Plain,
                         {});
    }
    KeyRing ring(session);
    if (blank) {
        VC_TRY(expectWritable(session));
        VC_TRY(mayFormat(session));
        VC_TRY(expectRoom(session));
        warnOfTpmAlone(session, {});
        return outcomeOf(session, model::VolumeState::Blank, stepsForBlank(ring));
    }
    VC_ASSIGN(const OpenedVolume volume, openVolume(session, ring));
    VC_TRY(checkPin(session, volume.header.view, volume.unlocked.volumeKey, volume.found.former));
    if (volume.maker == Maker::Elsewhere && !session.options().adopt) warnOfOtherMachine(session);
    VC_ASSIGN(std::vector<model::Step> steps, compare(session, volume, ring));
    showPending(volume.found, steps);
    VC_ASSIGN(const model::VolumeState state, encryptedState(session));
    warnOfDifferences(session, volume.header.view, state == model::VolumeState::Unlocked);
    warnOfTpmAlone(session, volume.header.view);
    Outcome outcome = outcomeOf(session, state, steps);
    if (state == model::VolumeState::Unlocked) noteUnusedRoom(session, volume.header.view, outcome);
    return outcome;
}

}  // namespace volumecrypt::engine

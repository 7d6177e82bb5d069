// SPDX-License-Identifier: Apache-2.0
// plan: the steps of sync, without taking them and without a lock.
#include <algorithm>
#include <utility>

#include "engine/verbs.h"
#include "volume/comparison.h"
#include "volume/content_room.h"
#include "volume/device_state.h"
#include "volume/first_header.h"
#include "volume/pin.h"
#include "volume/state_meta.h"

namespace volumecrypt::engine {
namespace {

volume::Outcome outcomeOf(const volume::Session &session, model::VolumeState state,
                          const std::vector<model::Step> &steps) {
    volume::Outcome outcome;
    outcome.state = state;
    outcome.extra["steps"] = nlohmann::json::array();
    bool differs = false;
    for (const model::Step &step : steps) {
        session.reporter().step(step);
        outcome.extra["steps"].push_back(volume::stepJson(step));
        differs = differs || step.changes();
    }
    outcome.text =
        session.describe() + (differs ? ": sync would take the steps above" : ": nothing to do");
    outcome.exitStatus = differs ? volume::kExitPlanHasSteps : volume::kExitDone;
    return outcome;
}

// An interrupted change is finished by sync before anything else: the plan says so for its slot.
void showPending(const volume::FoundRecord &found, std::vector<model::Step> &steps) {
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

base::Result<volume::Outcome> plan(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    volume::warnOfPassphrasesInMeta(session);
    VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
    const bool blank =
        found.interruptedFormat || found.content.kind == blockdev::ContentKind::Blank;
    if (!session.spec().encryption) {
        if (!blank && found.content.kind != blockdev::ContentKind::Filesystem)
            return base::fail(volume::unexpectedContent(session, found));
        if (blank) {
            VC_TRY(volume::mayFormat(session));
            VC_TRY(volume::expectWritable(session));
            VC_TRY(volume::expectRoom(session));
        }
        if (!blank) volume::warnOfOtherFilesystem(session, found.content);
        return outcomeOf(session, blank ? model::VolumeState::Blank : model::VolumeState::Plain,
                         {});
    }
    volume::KeyRing ring(session);
    if (blank) {
        VC_TRY(volume::expectWritable(session));
        VC_TRY(volume::mayFormat(session));
        VC_TRY(volume::expectRoom(session));
        volume::warnOfTpmAlone(session, {});
        return outcomeOf(session, model::VolumeState::Blank, volume::stepsForBlank(ring));
    }
    VC_ASSIGN(const volume::OpenedVolume volume, volume::openVolume(session, ring));
    VC_TRY(volume::checkPin(session, volume.header.view, volume.unlocked.volumeKey,
                            volume.found.former));
    if (volume.maker == volume::Maker::Elsewhere && !session.options().adopt)
        volume::warnOfOtherMachine(session);
    VC_ASSIGN(std::vector<model::Step> steps, volume::compare(session, volume, ring));
    showPending(volume.found, steps);
    VC_ASSIGN(const model::VolumeState state, volume::encryptedState(session));
    volume::warnOfDifferences(session, volume.header.view, model::isOpen(state));
    volume::warnOfTpmAlone(session, volume.header.view);
    volume::Outcome outcome = outcomeOf(session, state, steps);
    if (model::isOpen(state)) volume::noteUnusedRoom(session, volume.header.view, outcome);
    return outcome;
}

}  // namespace volumecrypt::engine

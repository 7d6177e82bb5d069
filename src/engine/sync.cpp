// SPDX-License-Identifier: Apache-2.0
// sync: make the key slots equal to the declared keys.
#include <utility>

#include "engine/verbs.h"
#include "volume/comparison.h"
#include "volume/device_state.h"
#include "volume/device_wipe.h"
#include "volume/pin.h"
#include "volume/slot_session.h"
#include "volume/state_meta.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

// Reports every step, and takes those that change something. The first failure ends the run: what
// is done is done, and the rest is found again by the next one.
base::Status takeSteps(const volume::Session &session, const std::vector<model::Step> &steps,
                       volume::SlotSession &slots, volume::Outcome &outcome) {
    outcome.extra["steps"] = nlohmann::json::array();
    for (const model::Step &step : steps) {
        VC_TRY(volume::checkStop());
        session.reporter().step(step);
        outcome.extra["steps"].push_back(volume::stepJson(step));
        VC_TRY(slots.changer().apply(step));
    }
    return slots.changer().finish(slots.volume().header.view);
}

bool isAdded(const model::Record &record, unsigned slot) {
    const model::RecordSlot *entry = record.entry(slot);
    return entry != nullptr && entry->origin == model::Origin::Added;
}

// Before the record takes the new name: afterwards nothing would say which the former one was. A
// pin that stays behind would only stand in the way of another volume of that name, and is no
// reason to leave the keys as they are.
void moveMemory(const volume::Session &session, const volume::OpenedVolume &volume) {
    const model::VolumeId &former = *volume.found.former;
    const base::SecretBuffer &volumeKey = volume.unlocked.volumeKey;
    const auto move = [&]() -> base::Status {
        VC_TRY(volume::writePin(session, volume.header.view, volumeKey, volume.ownMark()));
        VC_TRY(volume::dropFormerPin(session, former, volume.header.view, volumeKey));
        return volume::dropFormerWipe(session, former, volume.header.view.uuid);
    };
    if (auto moved = move(); !moved)
        session.reporter().warning(
            moved.error().code,
            session.describe() + ": what is remembered of it by its former name " + former.text() +
                " could not be moved: " + moved.error().message);
}

base::Status firstRefusal(const volume::Session &session, const std::vector<model::Step> &steps,
                          const model::Record &record) {
    for (const model::Step &step : steps) {
        if (step.action != model::StepAction::Refuse) continue;
        base::Error error(
            step.error.value_or(base::ErrorCode::SlotInUse),
            session.describe() + ", slot " + std::to_string(step.slot) + ": " + step.reason,
            "Declare the key in another slot, or declare this one as `unmanaged: {}`.");
        if (isAdded(record, step.slot))
            error.hint =
                "Declare the key in another slot, or remove the added one: `volumecryptctl "
                "remove-key " +
                session.id().text() + " " + std::to_string(step.slot) + "`.";
        return base::fail(std::move(error).withSlot(step.slot));
    }
    return {};
}

// A key that has to wait for its server: everything else is done, and the same call goes on later.
base::Status firstToRetry(const volume::Session &session, const std::vector<model::Step> &steps,
                          volume::KeyRing &ring) {
    for (const model::Step &step : steps) {
        const bool remote = model::rowOf(step.kind).reach == model::KeyReach::Network;
        if (step.action != model::StepAction::Defer || !remote) continue;
        const model::KeySpec *key = session.encryption().keyInSlot(step.slot);
        if (key == nullptr) continue;  // one that may not be removed
        auto can = ring.canCreate(*key);
        if (!can && can.error().retry)
            return base::fail(std::move(can).error().because(session.describe()));
    }
    return {};
}

}  // namespace

base::Result<volume::Outcome> syncKeys(volume::Session &session) {
    volume::Outcome outcome;
    if (!session.spec().encryption) {
        outcome.state = model::VolumeState::Plain;
        outcome.extra["steps"] = nlohmann::json::array();
        return outcome;
    }
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    const volume::OpenedVolume &volume = slots->volume();
    if (slots->isSpared()) volume::warnOfOtherMachine(session);
    if (volume.found.former) moveMemory(session, volume);
    VC_ASSIGN(const std::vector<model::Step> steps,
              volume::compare(session, slots->volume(), slots->ring()));
    VC_TRY(takeSteps(session, steps, *slots, outcome));
    // Early in boot there may have been no writable place for it. A slot that has to stay as it is
    // does not make another volume welcome.
    if (slots->changer().record().phase == model::Phase::Ready)
        VC_TRY(volume::writePin(
            session, volume.header.view, volume.unlocked.volumeKey,
            slots->isSpared() ? std::string() : slots->changer().record().machine));
    VC_TRY(firstRefusal(session, steps, slots->changer().record()));
    volume::saveStateEncryption(session);
    VC_TRY(firstToRetry(session, steps, slots->ring()));
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    outcome.changed = slots->changed();
    outcome.extra["unlockedBySlot"] = volume.unlocked.slot;
    return outcome;
}

base::Result<volume::Outcome> sync(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    // Now the file systems are mounted.
    if (auto moved = volume::moveStagedWipe(session); !moved)
        session.reporter().warning(
            moved.error().code, session.describe() +
                                    ": a wipe was ordered, and the next attach may not see that: " +
                                    moved.error().message);
    return syncKeys(session);
}

}  // namespace volumecrypt::engine

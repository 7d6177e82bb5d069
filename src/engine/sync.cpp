// SPDX-License-Identifier: Apache-2.0
// sync: make the key slots equal to the declared keys.
#include <utility>

#include "engine/comparison.h"
#include "engine/device_state.h"
#include "engine/slot_changer.h"
#include "engine/stop.h"
#include "engine/verbs.h"
#include "luks/header_store.h"

namespace volumecrypt::engine {
namespace {

// Reports every step, and takes those that change something. The first failure ends the run: what
// is done is done, and the rest is found again by the next one.
base::Status takeSteps(const Session &session, const std::vector<model::Step> &steps,
                       SlotChanger &changer, Outcome &outcome) {
    outcome.extra["steps"] = nlohmann::json::array();
    for (const model::Step &step : steps) {
        VC_TRY(checkStop());
        session.reporter().step(step);
        outcome.extra["steps"].push_back(stepJson(step));
        VC_TRY(changer.apply(step));
    }
    return changer.finish();
}

base::Status firstRefusal(const Session &session, const std::vector<model::Step> &steps) {
    for (const model::Step &step : steps) {
        if (step.action != model::StepAction::Refuse) continue;
        base::Error error;
        error.code = step.error.value_or(base::ErrorCode::SlotInUse);
        error.message =
            session.describe() + ", slot " + std::to_string(step.slot) + ": " + step.reason;
        error.hint = "Declare the key in another slot, or declare this one as `unmanaged: {}`.";
        return base::fail(std::move(error).withSlot(step.slot));
    }
    return {};
}

}  // namespace

base::Result<Outcome> sync(Session &session) {
    VC_TRY(session.readSecretFd());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    Outcome outcome;
    if (!session.spec().encryption) {
        outcome.state = model::VolumeState::Plain;
        outcome.extra["steps"] = nlohmann::json::array();
        return outcome;
    }
    VC_TRY(session.lock());
    KeyRing ring(session);
    VC_ASSIGN(OpenedVolume volume, openVolume(session, ring));
    if (volume.found.trust == model::RecordTrust::Newer)
        return base::fail(base::ErrorCode::Unsupported,
                          session.describe() + ": " + volume.found.problem,
                          "Update volumecrypt; nothing was changed.");
    const auto store = luks::openHeaderStore(session.device().node);
    // Loading the header from the device repairs a damaged copy of it from the good one.
    if (volume.header.needsRepair) VC_TRY(store->view());
    SlotChanger changer(session, *store, ring, volume.unlocked, volume.found, volume.recordKey);
    if (volume.found.record && volume.found.record->pending) {
        VC_TRY(changer.settlePending());
        VC_ASSIGN(volume.header, readHeader(session));
        volume.found.record = changer.record();
        volume.found.token = volume.header.view.tokenOfType(model::kRecordTokenType);
    }
    VC_ASSIGN(const std::vector<model::Step> steps, compare(session, volume, ring));
    VC_TRY(takeSteps(session, steps, changer, outcome));
    VC_TRY(firstRefusal(session, steps));
    VC_ASSIGN(outcome.state, encryptedState(session));
    outcome.changed = changer.changed() || volume.header.needsRepair;
    outcome.extra["unlockedBySlot"] = volume.unlocked.slot;
    return outcome;
}

}  // namespace volumecrypt::engine

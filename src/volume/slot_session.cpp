// SPDX-License-Identifier: Apache-2.0
// The common beginning of sync, add-key and remove-key.
#include "volume/slot_session.h"

#include <utility>

#include "volume/device_state.h"
#include "volume/pin.h"
#include "volume/unfinished_job.h"

namespace volumecrypt::volume {

base::Result<std::unique_ptr<SlotSession>> SlotSession::begin(Session &session) {
    VC_TRY(expectWritable(session));
    VC_TRY(session.lock());
    std::unique_ptr<SlotSession> begun(new SlotSession(session));
    VC_TRY(begun->open());
    VC_TRY(begun->settle());
    return begun;
}

base::Status SlotSession::open() {
    VC_ASSIGN(volume_, openVolume(session_, ring_));
    if (volume_.found.trust == model::RecordTrust::Newer)
        return base::fail(base::ErrorCode::Unsupported,
                          session_.describe() + ": " + volume_.found.problem,
                          "Update volumecrypt; nothing was changed.");
    if (volume_.found.record && volume_.found.record->job)
        return base::fail(jobUnfinished(session_, *volume_.found.record->job));
    // Somebody else's volume in the place of ours is not written to.
    VC_TRY(
        checkPin(session_, volume_.header.view, volume_.unlocked.volumeKey, volume_.found.former));
    store_ = luks::openHeaderStore(session_.device().node);
    if (volume_.header.needsRepair) VC_TRY(luks::repairHeader(session_.device().node));
    changer_ = std::make_unique<SlotChanger>(session_, *store_, ring_, volume_.unlocked,
                                             volume_.found, volume_.recordKey);
    if (!isSpared()) changer_->mark(machineMark(session_, volume_.recordKey));
    return {};
}

bool SlotSession::isSpared() const {
    return volume_.maker == Maker::Elsewhere && !session_.options().adopt;
}

// Finishing it may take a key that is the other machine's only one.
base::Status SlotSession::refuseOthersChange() const {
    return base::fail(base::ErrorCode::ForeignVolume,
                      session_.describe() +
                          " was made by another machine, and a change that it began of slot " +
                          std::to_string(volume_.found.record->pending->slot) + " is unfinished",
                      "No key was changed. That machine's next sync finishes it; " +
                          adoptionHint(session_) + ".");
}

base::Status SlotSession::settle() {
    const bool interrupted = volume_.found.record && volume_.found.record->pending;
    if (!interrupted && volume_.found.surplus.empty()) return {};
    // An addition takes no key, whoever began it.
    const bool takes =
        interrupted && volume_.found.record->pending->operation != model::PendingOperation::Add;
    if (takes && isSpared()) return refuseOthersChange();
    VC_TRY(changer_->settle());
    const bool repaired = volume_.header.needsRepair;
    VC_ASSIGN(volume_.header, readHeader(session_));
    volume_.header.needsRepair = repaired;
    volume_.found.record = changer_->record();
    volume_.found.token = changer_->token();
    volume_.found.surplus.clear();
    // Found of the slots as they were before.
    volume_.unlocked.rejected.clear();
    return {};
}

}  // namespace volumecrypt::volume

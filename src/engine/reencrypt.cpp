// SPDX-License-Identifier: Apache-2.0
// reencrypt: a new volume key for a volume whose data stays.
#include <utility>

#include "base/journal.h"
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/pin.h"
#include "volume/slot_session.h"
#include "volume/stop.h"
#include "volume/unfinished_job.h"
#include "volume/volume_key_change.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

base::Status expectLocked(const volume::Session &session) {
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (!mapped) return {};
    const std::string id = session.id().text();
    return base::fail(ErrorCode::Busy,
                      session.describe() +
                          " is unlocked: its volume key is changed while it is "
                          "locked",
                      "Nothing was changed. Run `volumecryptctl lock " + id +
                          "`, then `volumecryptctl rotate-volume-key " + id + "`.");
}

// What an interrupted run left before it touched the data. Whether the volume has begun.
base::Result<bool> takeUp(const volume::Session &session, volume::KeyRing &ring) {
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeaderOfJob(session));
    if (!volume::peekJob(header.view)) return false;
    VC_ASSIGN(const volume::OpenedVolume volume,
              volume::openWithJob(session, ring, std::move(header)));
    if (volume::isBegun(volume.header.view, *volume.found.record->job)) return true;
    VC_TRY(volume::withdrawKeyChange(session, volume));
    return false;
}

base::Status checkReady(const volume::Session &session, volume::SlotSession &slots) {
    if (slots.isSpared())
        return base::fail(ErrorCode::ForeignVolume,
                          session.describe() + " was made by another machine",
                          "Nothing was changed. " + volume::adoptionHint(session) + ".");
    const model::Record &record = slots.changer().record();
    if (record.phase != model::Phase::Ready)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + " has never been in use, and nothing is in it",
                          "Nothing was changed. Run `volumecryptctl unlock " + session.id().text() +
                              "`, which makes its file system, or wipe it.");
    if (slots.changer().token() && record.volume == session.id().text()) return {};
    return base::fail(
        ErrorCode::Unsupported,
        session.describe() + ": its record does not say whose keys are in its slots",
        "Nothing was changed. Run `volumecryptctl sync " + session.id().text() + "` first.");
}

base::Status begin(volume::Session &session) {
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    VC_TRY(checkReady(session, *slots));
    VC_TRY(slots->changer().finish(slots->volume().header.view));
    VC_ASSIGN(const std::vector<volume::CarriedKey> keys,
              volume::carriedKeys(session, slots->volume(), slots->ring()));
    VC_TRY(volume::checkStop());
    return volume::beginKeyChange(session, *slots, keys);
}

}  // namespace

base::Result<volume::Outcome> reencrypt(volume::Session &session) {
    VC_TRY(volume::prepareKeyEdit(session));
    VC_TRY(volume::expectWritable(session));
    VC_TRY(session.lock());
    VC_TRY(expectLocked(session));
    volume::KeyRing ring(session);
    VC_ASSIGN(const bool begun, takeUp(session, ring));
    if (!begun) VC_TRY(begin(session));
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeaderOfJob(session));
    VC_ASSIGN(const volume::OpenedVolume volume,
              volume::openWithJob(session, ring, std::move(header)));
    VC_TRY(volume::goOnWithKeyChange(session, volume, ring));
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    outcome.changed = true;
    outcome.text = session.describe() + ": it has a new volume key";
    outcome.extra["notes"] = nlohmann::json::array({"it has a new volume key"});
    base::log(base::Severity::Notice, outcome.text,
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeKeyChanged)},
               {"VOLUME", session.id().text()},
               {"OPERATION", "reencrypt"}});
    return outcome;
}

}  // namespace volumecrypt::engine

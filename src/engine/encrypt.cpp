// SPDX-License-Identifier: Apache-2.0
// encrypt: a plain file system becomes a LUKS2 volume where it is; its data stays. Killed anywhere,
// the same call goes on.
#include <utility>

#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/encryption.h"
#include "volume/record_book.h"
#include "volume/shrink_note.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

base::Status prepareToEncrypt(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    if (!session.spec().encryption)
        return base::fail(ErrorCode::Unsupported,
                          "volume " + session.id().text() + " is declared without encryption",
                          "Nothing was written. Declare its `encryption` with its keys, then try "
                          "again.");
    VC_TRY(session.findDevice());
    VC_TRY(volume::expectWritable(session));
    return session.lock();
}

// Of a plain file the size may be another one afterwards.
base::Status mendRoom(volume::Session &session) {
    VC_TRY(volume::mendRoom(session));
    return session.findDevice();
}

// A key that could not be had is made now or by the next sync: the data is safe without it. Whether
// something was changed.
bool bringKeysAlong(volume::Session &session) {
    auto synced = syncKeys(session);
    if (synced) return synced->changed;
    session.reporter().warning(
        synced.error().code,
        "the volume is encrypted, but its keys are not all as declared: " + synced.error().message);
    return false;
}

// Nobody may think that it is protected by us when it is somebody else's volume.
base::Result<volume::Outcome> encryptedAlready(volume::Session &session,
                                               const volume::DeviceContent &found) {
    VC_ASSIGN(const luks::HeaderCopy header, volume::readHeader(session, found));
    if (!volume::peekRecord(header.view).record)
        return base::fail(
            ErrorCode::NotBlank,
            session.describe() + " is a LUKS2 volume already, which volumecrypt did not make",
            "Nothing was written. `volumecryptctl sync " + session.id().text() +
                "` makes it this volume, if a declared key opens it.");
    volume::Outcome outcome;
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    outcome.changed = bringKeysAlong(session);
    outcome.text = session.describe() + ": encrypted already";
    return outcome;
}

base::Result<volume::Outcome> whileMapped(volume::Session &session) {
    if (volume::isBeingEncrypted(session))
        return base::fail(ErrorCode::Busy,
                          session.describe() + " is unlocked, and its encryption is unfinished",
                          "Lock it first: `volumecryptctl lock " + session.id().text() + "`. " +
                              volume::encryptHint(session));
    VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
    return encryptedAlready(session, found);
}

}  // namespace

base::Result<volume::Outcome> encrypt(volume::Session &session) {
    VC_TRY(prepareToEncrypt(session));
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (mapped) return whileMapped(session);
    VC_TRY(mendRoom(session));
    VC_ASSIGN(volume::DeviceContent found, volume::lookAtDevice(session));
    const bool isLuks = found.content.kind == blockdev::ContentKind::Luks2;
    if (isLuks && !volume::isBeingEncrypted(session)) return encryptedAlready(session, found);
    volume::KeyRing ring(session);
    bool begun = isLuks;
    if (found.interruptedEncryption) {
        VC_ASSIGN(begun, volume::finishStart(session, *found.interruptedEncryption));
        if (!begun) {
            VC_ASSIGN(found, volume::lookAtDevice(session));
        }
    }
    if (!begun) VC_TRY(volume::startEncryption(session, ring, found));
    VC_TRY(volume::runEncryption(session, ring));
    (void)bringKeysAlong(session);
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    outcome.changed = true;
    outcome.extra["notes"] = nlohmann::json::array({"encrypted; its data stayed"});
    outcome.text = session.describe() + ": encrypted, with its data; `volumecryptctl unlock " +
                   session.id().text() + "` opens it";
    return outcome;
}

}  // namespace volumecrypt::engine

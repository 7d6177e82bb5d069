// SPDX-License-Identifier: Apache-2.0
// encrypt: a plain file system becomes a LUKS2 volume where it is; its data stays. Killed anywhere,
// the same call goes on.
#include <utility>

#include "base/journal.h"
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/encryption_start.h"
#include "volume/stop.h"

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

}  // namespace

base::Result<volume::Outcome> encrypt(volume::Session &session) {
    VC_TRY(prepareToEncrypt(session));
    volume::KeyRing ring(session);
    VC_ASSIGN(volume::DeviceContent found, volume::lookAtDevice(session));
    if (found.interruptedEncryption) {
        VC_ASSIGN(const bool begun, volume::finishStart(session, *found.interruptedEncryption));
        if (!begun) {
            VC_ASSIGN(found, volume::lookAtDevice(session));
            VC_TRY(volume::startEncryption(session, ring, found));
        }
    } else if (found.content.kind != blockdev::ContentKind::Luks2) {
        VC_TRY(volume::startEncryption(session, ring, found));
    }
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Reencrypting;
    outcome.changed = true;
    return outcome;
}

}  // namespace volumecrypt::engine

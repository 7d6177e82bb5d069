// SPDX-License-Identifier: Apache-2.0
// format: a new LUKS2 header on a blank device or file; the file system comes with the first
// attach.
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/first_header.h"
#include "volume/header_backup.h"
#include "volume/pin.h"

namespace volumecrypt::engine {

base::Result<volume::Outcome> format(volume::Session &session) {
    VC_TRY(session.loadSpec());
    if (!session.spec().encryption)
        return base::fail(base::ErrorCode::Unsupported,
                          "volume " + session.id().text() +
                              " is declared without encryption: there is no header to write",
                          "A plain volume gets its file system when it is attached.");
    VC_TRY(session.findDevice());
    VC_TRY(volume::expectWritable(session));
    VC_TRY(session.lock());
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (mapped)
        return base::fail(base::ErrorCode::Busy, session.describe() + " is unlocked",
                          "Lock it first: `volumecryptctl lock " + session.id().text() + "`.");
    volume::KeyRing ring(session);
    // Forcing it is the declared way to give up the volume that was there. What is there comes
    // first: that a volume is remembered means something else on a device that is not empty.
    if (!session.options().force) {
        VC_TRY(volume::expectBlank(session));
        VC_TRY(volume::checkNotPinned(session));
        VC_TRY(volume::checkUnclaimed(session));
    }
    VC_TRY(volume::formatDevice(session, ring, session.options().force));
    VC_TRY(volume::dropPin(session));
    VC_TRY(volume::dropBackups(session));
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    outcome.changed = true;
    outcome.text = session.describe() +
                   ": formatted; its file system is made when it is attached for the first time";
    return outcome;
}

}  // namespace volumecrypt::engine

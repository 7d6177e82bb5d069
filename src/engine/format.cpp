// SPDX-License-Identifier: Apache-2.0
// format: a new LUKS2 header on a blank device or file; the file system comes with the first
// attach.
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/first_header.h"
#include "volume/pin.h"

namespace volumecrypt::engine {

base::Result<Outcome> format(Session &session) {
    VC_TRY(session.loadSpec());
    if (!session.spec().encryption)
        return base::fail(base::ErrorCode::Unsupported,
                          "volume " + session.id().text() +
                              " is declared without encryption: there is no header to write",
                          "A plain volume gets its file system when it is attached.");
    VC_TRY(session.findDevice());
    VC_TRY(expectWritable(session));
    VC_TRY(session.lock());
    VC_ASSIGN(const bool mapped, isMapped(session));
    if (mapped)
        return base::fail(base::ErrorCode::Busy, session.describe() + " is unlocked",
                          "Lock it first: `volumecryptctl lock " + session.id().text() + "`.");
    KeyRing ring(session);
    // Forcing it is the declared way to give up the volume that was there.
    if (!session.options().force) {
        VC_TRY(checkNotPinned(session));
        VC_TRY(checkUnclaimed(session));
    }
    VC_TRY(formatDevice(session, ring, session.options().force));
    VC_TRY(dropPin(session));
    Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    outcome.changed = true;
    outcome.text = session.describe() +
                   ": formatted; its file system is made when it is attached for the first time";
    return outcome;
}

}  // namespace volumecrypt::engine

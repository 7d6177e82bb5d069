// SPDX-License-Identifier: Apache-2.0
// forget: the pin goes, so that another volume is accepted in this one's place.
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/header_backup.h"
#include "volume/pin.h"

namespace volumecrypt::engine {

base::Result<volume::Outcome> forget(volume::Session &session) {
    VC_TRY(session.loadSpec());
    VC_ASSIGN(const bool pinned, volume::hasPin(session));
    VC_TRY(volume::dropPin(session));
    VC_ASSIGN(const unsigned dropped, volume::dropBackups(session));
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Absent;
    outcome.changed = pinned || dropped != 0;
    if (session.findDevice() && session.spec().encryption) {
        auto state = volume::encryptedState(session);
        if (state) outcome.state = *state;
    }
    outcome.text = "volume " + session.id().text() +
                   (outcome.changed ? ": forgotten; the next attach remembers what it finds"
                                    : ": nothing was remembered of it");
    return outcome;
}

}  // namespace volumecrypt::engine

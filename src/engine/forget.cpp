// SPDX-License-Identifier: Apache-2.0
// forget: the pin goes, so that another volume is accepted in this one's place.
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/pin.h"

namespace volumecrypt::engine {

base::Result<volume::Outcome> forget(volume::Session &session) {
    VC_TRY(session.loadSpec());
    VC_ASSIGN(const bool pinned, volume::hasPin(session));
    VC_TRY(volume::dropPin(session));
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Absent;
    outcome.changed = pinned;
    if (session.findDevice() && session.spec().encryption) {
        auto state = volume::encryptedState(session);
        if (state) outcome.state = *state;
    }
    outcome.text = "volume " + session.id().text() +
                   (pinned ? ": forgotten; the next attach remembers what it finds"
                           : ": nothing was remembered of it");
    return outcome;
}

}  // namespace volumecrypt::engine

// SPDX-License-Identifier: Apache-2.0
// wipe: gives up what the device holds, at once or, where it is in use, at the next attach.
#include "engine/verbs.h"
#include "volume/device_state.h"
#include "volume/device_wipe.h"
#include "volume/pin.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

// Mapped, or a plain file system that is mounted.
base::Result<bool> isActive(const volume::Session &session) {
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (mapped) return true;
    auto exclusive = blockdev::openExclusively(session.device(), volume::checkStop);
    if (exclusive) return false;
    if (exclusive.error().code == ErrorCode::Busy) return true;
    return base::fail(std::move(exclusive).error());
}

}  // namespace

base::Result<volume::Outcome> wipe(volume::Session &session) {
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    VC_TRY(volume::expectWritable(session));
    VC_TRY(session.lock());
    volume::Outcome outcome;
    outcome.changed = true;
    VC_ASSIGN(const bool active, isActive(session));
    if (active) {
        VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
        VC_TRY(volume::stageWipe(session, found.content));
        // The root may be read-only when it is carried out.
        if (auto dropped = volume::dropPin(session); !dropped) {
            volume::dropStagedWipe(session);
            return base::fail(std::move(dropped).error());
        }
        outcome.state =
            session.spec().encryption ? model::VolumeState::Unlocked : model::VolumeState::Plain;
        outcome.extra["staged"] = true;
        outcome.text =
            session.describe() + " is in use: it will be wiped when it is attached the next time";
        return outcome;
    }
    VC_TRY(volume::wipeDevice(session));
    volume::dropStagedWipe(session);
    outcome.state = model::VolumeState::Blank;
    outcome.extra["staged"] = false;
    outcome.text = session.describe() + ": wiped; the next attach formats it";
    return outcome;
}

}  // namespace volumecrypt::engine

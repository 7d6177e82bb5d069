// SPDX-License-Identifier: Apache-2.0
// wipe, erase and forget: the verbs that give something up, each confirmed by the volume's name.
#include <utility>

#include "base/journal.h"
#include "engine/verbs.h"
#include "luks/header_store.h"
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

base::Result<volume::Outcome> erase(volume::Session &session) {
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    VC_TRY(volume::expectWritable(session));
    VC_TRY(session.lock());
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (mapped)
        return base::fail(ErrorCode::Busy, session.describe() + " is unlocked",
                          "Lock it first: `volumecryptctl lock " + session.id().text() + "`.");
    VC_ASSIGN(const luks::HeaderCopy header, volume::readHeader(session));
    VC_TRY(volume::dropPin(session));
    const auto store = luks::openHeaderStore(session.device().node);
    std::string before;
    for (const auto &[slot, view] : header.view.slots) {
        if (auto done = store->destroySlot(slot); !done) {
            if (!before.empty())
                done.error().hint = "Destroyed before: slot" + before + ". " + done.error().hint;
            return base::fail(std::move(done).error().because(session.describe()).withSlot(slot));
        }
        before += (before.empty() ? " " : ", ") + std::to_string(slot);
    }
    base::log(base::Severity::Notice, "Erased every key slot of " + session.describe(),
              {{"VOLUME", session.id().text()}, {"OPERATION", "erase"}});
    session.reporter().warning(ErrorCode::KeyRejected,
                               "a copy of the header of " + session.describe() +
                                   ", if there is one, still opens its data");
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    outcome.changed = !header.view.slots.empty();
    outcome.text = session.describe() + ": every key slot is destroyed; `volumecryptctl wipe " +
                   session.id().text() + "` makes the device usable again";
    return outcome;
}

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

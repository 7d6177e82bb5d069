// SPDX-License-Identifier: Apache-2.0
// erase: every key slot is destroyed, and with the last one the data.
#include <utility>

#include <fmt/format.h>

#include "base/journal.h"
#include "engine/verbs.h"
#include "luks/header_store.h"
#include "volume/device_state.h"
#include "volume/header_backup.h"
#include "volume/pin.h"

namespace volumecrypt::engine {

using base::ErrorCode;

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
    VC_ASSIGN(const unsigned dropped, volume::dropBackups(session));
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
    outcome.changed = !header.view.slots.empty() || dropped != 0;
    if (dropped != 0)
        outcome.extra["notes"] = nlohmann::json::array({fmt::format(
            "{} kept backup{} of its header removed", dropped, dropped == 1 ? "" : "s")});
    outcome.text = session.describe() + ": every key slot is destroyed" +
                   (dropped == 0 ? "" : ", and what this machine kept of its header") +
                   "; `volumecryptctl wipe " + session.id().text() +
                   "` makes the device usable again";
    return outcome;
}

}  // namespace volumecrypt::engine

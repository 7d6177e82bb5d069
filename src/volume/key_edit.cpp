// SPDX-License-Identifier: Apache-2.0
// What add-key, remove-key and rotate share: their beginning, errors and end.
#include "volume/device_state.h"
#include "volume/slot_session.h"

namespace volumecrypt::volume {

using base::ErrorCode;

base::Status prepareKeyEdit(Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    if (!session.spec().encryption)
        return base::fail(
            ErrorCode::Unsupported,
            "volume " + session.id().text() + " is declared without encryption: it has no keys");
    return session.findDevice();
}

base::Error slotError(const Session &session, unsigned slot, ErrorCode code,
                      const std::string &what, const std::string &hint) {
    return base::Error(code, session.describe() + ", slot " + std::to_string(slot) + ": " + what,
                       hint)
        .withSlot(slot);
}

base::Error emptySlot(const Session &session, unsigned slot) {
    return slotError(session, slot, ErrorCode::NotFound, "there is no key in it",
                     "`volumecryptctl keys " + session.id().text() + "` shows the key slots.");
}

base::Result<Outcome> keyEdited(const Session &session, unsigned slot, const std::string &text) {
    Outcome outcome;
    VC_ASSIGN(outcome.state, encryptedState(session));
    outcome.changed = true;
    outcome.extra["slot"] = slot;
    outcome.text = session.describe() + ": " + text;
    return outcome;
}

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// remove-key: only what add-key made; declared keys follow the configuration.
#include "engine/verbs.h"
#include "volume/slot_session.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

// Only what AddKey made: declared keys follow the YAML, everybody else's are not ours to touch.
base::Status checkRemovable(const volume::Session &session, const volume::OpenedVolume &volume,
                            unsigned slot) {
    const model::KeySpec *declared = session.encryption().keyInSlot(slot);
    const model::RecordSlot *entry = volume.found.entry(slot);
    const bool present = volume.header.view.slots.contains(slot);
    const bool added = entry != nullptr && entry->origin == model::Origin::Added;
    if (declared != nullptr && declared->kind() == model::KeyKind::Unmanaged && present)
        return base::fail(
            volume::slotError(session, slot, ErrorCode::SlotInUse,
                              "the configuration says `unmanaged: {}`, so it is left alone",
                              "Remove that from the YAML first."));
    // An added one is in the way of the declared one.
    if (declared != nullptr && declared->kind() != model::KeyKind::Unmanaged && !added)
        return base::fail(volume::slotError(
            session, slot, ErrorCode::InvalidConfig, "this key is declared in the configuration",
            "Remove it from the YAML, then run `volumecryptctl apply`."));
    if (!present && entry == nullptr) return base::fail(volume::emptySlot(session, slot));
    if (entry == nullptr)
        return base::fail(volume::slotError(
            session, slot, ErrorCode::SlotInUse, "this key was not added by volumecrypt",
            "Whoever added it can remove it: `cryptsetup luksKillSlot " + session.device().node +
                " " + std::to_string(slot) + "`."));
    return {};
}

}  // namespace

base::Result<volume::Outcome> removeKey(volume::Session &session) {
    VC_TRY(volume::prepareKeyEdit(session));
    const unsigned slot = *session.options().slot;
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    VC_TRY(checkRemovable(session, slots->volume(), slot));
    VC_TRY(slots->changer().removeOurs(slot));
    VC_TRY(slots->changer().finish(slots->volume().header.view));
    session.reporter().warning(
        ErrorCode::KeyRejected,
        "whoever copied the header of " + session.describe() +
            " while this key was in it can still use the key on that copy; only a volume made anew "
            "(`volumecryptctl wipe " +
            session.id().text() + "`, after its data was saved) has another volume key");
    return volume::keyEdited(session, slot, "removed the key in slot " + std::to_string(slot));
}

}  // namespace volumecrypt::engine

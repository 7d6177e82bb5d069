// SPDX-License-Identifier: Apache-2.0
// rotate: a sealed key is made anew in its slot.
#include "engine/verbs.h"
#include "volume/enrol.h"
#include "volume/maker.h"
#include "volume/slot_session.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

base::Status checkRotatableUndeclared(const volume::Session &session,
                                      const volume::OpenedVolume &volume, unsigned slot) {
    if (!volume.header.view.slots.contains(slot))
        return base::fail(volume::emptySlot(session, slot));
    if (volume.found.entry(slot) == nullptr)
        return base::fail(volume::slotError(
            session, slot, ErrorCode::SlotInUse, "this key was not made by volumecrypt",
            "Whoever added it can change it: `cryptsetup luksChangeKey " + session.device().node +
                "`."));
    const bool isRecovery = volume.found.entry(slot)->kind == model::KeyKind::Recovery;
    const std::string option = isRecovery ? "--recovery " : "";
    return base::fail(volume::slotError(session, slot, ErrorCode::InvalidConfig,
                                        "this key is an added one and cannot be made anew here",
                                        "Add another with `volumecryptctl add-key " + option +
                                            session.id().text() + "`, then remove this one."));
}

// What nobody typed can be made anew by us; the others are changed where they come from.
base::Status checkRotatable(const volume::Session &session, const volume::OpenedVolume &volume,
                            unsigned slot) {
    const model::KeySpec *declared = session.encryption().keyInSlot(slot);
    if (declared == nullptr || declared->kind() == model::KeyKind::Unmanaged)
        return checkRotatableUndeclared(session, volume, slot);
    // The slot may hold somebody's key although one of ours is declared for it: sync says so.
    const model::RecordSlot *entry = volume.found.entry(slot);
    const bool taken = volume.header.view.slots.contains(slot) &&
                       (entry == nullptr || entry->origin == model::Origin::Added);
    const bool known = entry != nullptr && entry->paramsDigest == volume::paramsDigestOf(*declared);
    if (session.encryptionIsMetas() && !known)
        return base::fail(volume::slotError(
            session, slot, ErrorCode::InvalidConfig, "META alone says how this key is to be made",
            "Declare the encryption of STATE in the configuration first."));
    if (declared->isSealed() && !taken) return {};
    if (declared->isSealed())
        return base::fail(volume::slotError(
            session, slot, ErrorCode::SlotInUse, "it holds a key that is not the declared one",
            "`volumecryptctl sync " + session.id().text() +
                "` adopts it if the declared key opens it, and says what to do if not."));
    return base::fail(volume::slotError(
        session, slot, ErrorCode::InvalidConfig,
        "a " + std::string(model::keyKindName(declared->kind())) + " key cannot be made anew here",
        declared->row().howToChange));
}

}  // namespace

base::Result<volume::Outcome> rotateKey(volume::Session &session) {
    VC_TRY(volume::prepareKeyEdit(session));
    const unsigned slot = *session.options().slot;
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    VC_TRY(checkRotatable(session, slots->volume(), slot));
    if (slots->isSpared() && slots->volume().header.view.slots.contains(slot))
        return base::fail(
            volume::slotError(session, slot, ErrorCode::ForeignVolume,
                              "another machine made the volume, and this key may be its own",
                              "No key was changed. " + volume::adoptionHint(session) + "."));
    const bool present = slots->volume().header.view.slots.contains(slot);
    const model::Step step{.action = present ? model::StepAction::Replace : model::StepAction::Add,
                           .slot = slot,
                           .kind = session.encryption().keyInSlot(slot)->kind(),
                           .reason = "a new key was asked for",
                           .error = {}};
    session.reporter().step(step);
    VC_TRY(slots->changer().apply(step));
    VC_TRY(slots->changer().finish(slots->volume().header.view));
    return volume::keyEdited(session, slot,
                             "the key in slot " + std::to_string(slot) + " was made anew");
}

}  // namespace volumecrypt::engine

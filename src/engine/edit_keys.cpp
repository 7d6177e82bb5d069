// SPDX-License-Identifier: Apache-2.0
// add-key and remove-key: keys beside the declared ones.
#include <utility>

#include "base/recovery_key.h"
#include "engine/verbs.h"
#include "model/key_advice.h"
#include "model/slot_token.h"
#include "volume/device_state.h"
#include "volume/enrol.h"
#include "volume/slot_session.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

base::Status prepare(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    if (!session.spec().encryption)
        return base::fail(
            ErrorCode::Unsupported,
            "volume " + session.id().text() + " is declared without encryption: it has no keys");
    return session.findDevice();
}

base::Error slotError(const volume::Session &session, unsigned slot, ErrorCode code,
                      const std::string &what, const std::string &hint) {
    base::Error error;
    error.code = code;
    error.message = session.describe() + ", slot " + std::to_string(slot) + ": " + what;
    error.hint = hint;
    error.slot = slot;
    return error;
}

base::Error emptySlot(const volume::Session &session, unsigned slot) {
    return slotError(session, slot, ErrorCode::NotFound, "there is no key in it",
                     "`volumecryptctl keys " + session.id().text() + "` shows the key slots.");
}

// The highest free slot that nobody declared and that does not have the record's number.
base::Result<unsigned> slotForAdded(const volume::Session &session,
                                    const volume::OpenedVolume &volume) {
    std::vector<unsigned> avoid;
    for (const model::KeySpec &key : session.encryption().keys) avoid.push_back(key.slot);
    if (volume.found.token) avoid.push_back(*volume.found.token);
    const auto slot = volume.header.view.highestFreeSlot(avoid);
    if (slot) return *slot;
    return base::fail(ErrorCode::NoSpace,
                      session.describe() + ": every key slot is in use or declared",
                      "Remove a key that is not needed any more.");
}

const model::RecordSlot *entryOf(const volume::OpenedVolume &volume, unsigned slot) {
    if (!volume.found.record) return nullptr;
    const auto at = volume.found.record->slots.find(slot);
    return at == volume.found.record->slots.end() ? nullptr : &at->second;
}

// Only what AddKey made: declared keys follow the YAML, everybody else's are not ours to touch.
base::Status checkRemovable(const volume::Session &session, const volume::OpenedVolume &volume,
                            unsigned slot) {
    const model::KeySpec *declared = session.encryption().keyInSlot(slot);
    const model::RecordSlot *entry = entryOf(volume, slot);
    const bool present = volume.header.view.slots.contains(slot);
    const bool added = entry != nullptr && entry->origin == model::Origin::Added;
    if (declared != nullptr && declared->kind() == model::KeyKind::Unmanaged && present)
        return base::fail(slotError(session, slot, ErrorCode::SlotInUse,
                                    "the configuration says `unmanaged: {}`, so it is left alone",
                                    "Remove that from the YAML first."));
    // An added one is in the way of the declared one.
    if (declared != nullptr && declared->kind() != model::KeyKind::Unmanaged && !added)
        return base::fail(slotError(session, slot, ErrorCode::InvalidConfig,
                                    "this key is declared in the configuration",
                                    "Remove it from the YAML, then run `volumecryptctl apply`."));
    if (!present && entry == nullptr) return base::fail(emptySlot(session, slot));
    if (entry == nullptr)
        return base::fail(slotError(session, slot, ErrorCode::SlotInUse,
                                    "this key was not added by volumecrypt",
                                    "Whoever added it can remove it: `cryptsetup luksKillSlot " +
                                        session.device().node + " " + std::to_string(slot) + "`."));
    return {};
}

base::Status checkRotatableUndeclared(const volume::Session &session,
                                      const volume::OpenedVolume &volume, unsigned slot) {
    if (!volume.header.view.slots.contains(slot)) return base::fail(emptySlot(session, slot));
    if (entryOf(volume, slot) == nullptr)
        return base::fail(slotError(session, slot, ErrorCode::SlotInUse,
                                    "this key was not made by volumecrypt",
                                    "Whoever added it can change it: `cryptsetup luksChangeKey " +
                                        session.device().node + "`."));
    const bool isRecovery = entryOf(volume, slot)->kind == model::KeyKind::Recovery;
    const std::string option = isRecovery ? "--recovery " : "";
    return base::fail(slotError(session, slot, ErrorCode::InvalidConfig,
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
    const model::RecordSlot *entry = entryOf(volume, slot);
    const bool taken = volume.header.view.slots.contains(slot) &&
                       (entry == nullptr || entry->origin == model::Origin::Added);
    const bool known = entry != nullptr && entry->paramsDigest == volume::paramsDigestOf(*declared);
    if (session.encryptionIsMetas() && !known)
        return base::fail(slotError(session, slot, ErrorCode::InvalidConfig,
                                    "META alone says how this key is to be made",
                                    "Declare the encryption of STATE in the configuration first."));
    if (declared->isSealed() && !taken) return {};
    if (declared->isSealed())
        return base::fail(slotError(
            session, slot, ErrorCode::SlotInUse, "it holds a key that is not the declared one",
            "`volumecryptctl sync " + session.id().text() +
                "` adopts it if the declared key opens it, and says what to do if not."));
    return base::fail(slotError(
        session, slot, ErrorCode::InvalidConfig,
        "a " + std::string(model::keyKindName(declared->kind())) + " key cannot be made anew here",
        model::howToChange(declared->kind())));
}

// A recovery key is enrolled as systemd writes it, whatever it looked like.
base::Result<base::SecretBuffer> keyToAdd(const volume::Session &session) {
    if (session.options().kind != model::KeyKind::Recovery)
        return base::SecretBuffer::copyOf(session.newKey().bytes());
    auto key = base::normalizeRecoveryKey(session.newKey());
    if (!key) return base::fail(std::move(key).error().because(session.describe()));
    return key;
}

std::string tokenToAdd(const volume::Session &session, unsigned slot) {
    if (session.options().kind != model::KeyKind::Recovery) return {};
    return nlohmann::json{{"type", model::kRecoveryTokenType}, {"keyslots", {std::to_string(slot)}}}
        .dump();
}

}  // namespace

base::Result<volume::Outcome> addKey(volume::Session &session) {
    VC_TRY(prepare(session));
    VC_ASSIGN(const base::SecretBuffer key, keyToAdd(session));
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    VC_ASSIGN(const unsigned slot, slotForAdded(session, slots->volume()));
    VC_TRY(slots->changer().addUndeclared(slot, session.options().kind, key,
                                          tokenToAdd(session, slot)));
    volume::Outcome outcome;
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    outcome.changed = true;
    outcome.extra["slot"] = slot;
    outcome.text = session.describe() + ": added a key in slot " + std::to_string(slot);
    return outcome;
}

base::Result<volume::Outcome> removeKey(volume::Session &session) {
    VC_TRY(prepare(session));
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
    volume::Outcome outcome;
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    outcome.changed = true;
    outcome.extra["slot"] = slot;
    outcome.text = session.describe() + ": removed the key in slot " + std::to_string(slot);
    return outcome;
}

base::Result<volume::Outcome> rotateKey(volume::Session &session) {
    VC_TRY(prepare(session));
    const unsigned slot = *session.options().slot;
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    VC_TRY(checkRotatable(session, slots->volume(), slot));
    if (slots->isSpared() && slots->volume().header.view.slots.contains(slot))
        return base::fail(slotError(session, slot, ErrorCode::ForeignVolume,
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
    volume::Outcome outcome;
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    outcome.changed = true;
    outcome.extra["slot"] = slot;
    outcome.text =
        session.describe() + ": the key in slot " + std::to_string(slot) + " was made anew";
    return outcome;
}

}  // namespace volumecrypt::engine

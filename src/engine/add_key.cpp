// SPDX-License-Identifier: Apache-2.0
// add-key: a passphrase or recovery key beside the declared ones.
#include "base/recovery_key.h"
#include "engine/verbs.h"
#include "model/slot_token.h"
#include "volume/slot_session.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

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
    VC_TRY(volume::prepareKeyEdit(session));
    VC_ASSIGN(const base::SecretBuffer key, keyToAdd(session));
    VC_ASSIGN(const auto slots, volume::SlotSession::begin(session));
    VC_ASSIGN(const unsigned slot, slotForAdded(session, slots->volume()));
    VC_TRY(slots->changer().addUndeclared(slot, session.options().kind, key,
                                          tokenToAdd(session, slot)));
    return volume::keyEdited(session, slot, "added a key in slot " + std::to_string(slot));
}

}  // namespace volumecrypt::engine

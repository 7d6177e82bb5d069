// SPDX-License-Identifier: Apache-2.0
// What is to become of a change that an interrupted run announced in the record.
#include <utility>

#include "model/slot_token.h"
#include "volume/enrol.h"
#include "volume/kdf_lock.h"
#include "volume/slot_changer.h"

namespace volumecrypt::volume {

using base::ErrorCode;
using model::Pending;
using model::PendingOperation;

base::Status SlotChanger::settle() {
    return told(settleAll());
}

base::Status SlotChanger::settleAll() {
    for (const unsigned copy : surplus_) {
        VC_TRY(store_.removeToken(copy));
        changed_ = true;
    }
    surplus_.clear();
    return record_.pending ? settlePending() : base::Status();
}

// The configuration may have changed since: somebody else's slot was to be removed by
// `unmanagedSlots: remove` only, and one that is documented as unmanaged is left alone.
bool SlotChanger::isRemovalWanted(unsigned slot) const {
    const model::EncryptionSpec &encryption = session_.encryption();
    const model::KeySpec *key = encryption.keyInSlot(slot);
    if (key != nullptr && key->kind() == model::KeyKind::Unmanaged) return false;
    return record_.slots.contains(slot) ||
           encryption.unmanagedSlots == model::UnmanagedSlots::Remove;
}

// Its key material may be gone already, with only the entry left: nobody can use that again.
base::Status SlotChanger::settleRemoval(const Pending &pending) {
    if (!isRemovalWanted(pending.slot)) return {};
    auto proof = proveAnother(pending.slot);
    // Then it was not touched: another key had been proven before it was announced.
    if (!proof && proof.error().code == ErrorCode::LastKey) return {};
    VC_TRY(std::move(proof));
    VC_TRY(dropTokens(pending.slot));
    VC_TRY(destroyProven(pending.slot));
    record_.slots.erase(pending.slot);
    return {};
}

// The slot itself: as it was, an unproven new key, or one half way gone. It is ours; the plan
// compares it with the declaration afterwards. An entry without digests says that nobody knows what
// is in it.
base::Status SlotChanger::claim(const Pending &pending) {
    VC_ASSIGN(const std::string area, store_.slotDigest(pending.slot));
    const model::RecordSlot *entry = record_.entry(pending.slot);
    if (entry == nullptr || entry->areaDigest != area)
        record_.slots.insert_or_assign(pending.slot, pending.entry);
    return {};
}

base::Status SlotChanger::settlePending() {
    const Pending pending = *record_.pending;
    VC_ASSIGN(const model::HeaderView view, store_.view());
    session_.reporter().warning(ErrorCode::Internal,
                                at(pending.slot) + ": finishing a change that was interrupted");
    if (pending.operation == PendingOperation::Remove && view.slots.contains(pending.slot))
        VC_TRY(settleRemoval(pending));
    if (pending.operation != PendingOperation::Remove && view.slots.contains(pending.slot))
        VC_TRY(claim(pending));
    if (!pending.spare && !pending.token.empty() && view.slots.contains(pending.slot))
        VC_TRY(adoptPending(pending));
    if (pending.spare && view.slots.contains(*pending.spare)) VC_TRY(settleSpare(pending, view));
    record_.pending.reset();
    return commit();
}

std::optional<keys::NewKey> SlotChanger::pendingKey(const Pending &pending) {
    const model::KeySpec *key = session_.encryption().keyInSlot(pending.slot);
    if (pending.token.empty() || key == nullptr || !key->isSealed() ||
        key->kind() != pending.entry.kind)
        return std::nullopt;
    auto passphrase = ring_.passphraseFrom(*key, model::tokenFromJson(pending.token));
    if (!passphrase) return std::nullopt;
    return keys::NewKey{.passphrase = std::move(*passphrase), .token = pending.token};
}

base::Status SlotChanger::adoptPending(const Pending &pending) {
    // A token that is no sealed key says nothing that could be tried, and does no harm.
    const auto sealed = pendingKey(pending);
    if (!sealed) {
        if (pending.entry.origin == model::Origin::Added)
            return writeToken(pending.entry.kind, pending.slot, pending.token);
        return {};
    }
    auto opened = store_.openSlot(pending.slot, sealed->passphrase);
    if (!opened && noKeyWasTried(opened.error())) return base::fail(std::move(opened).error());
    if (!opened || !(*opened == unlocked_.volumeKey)) return {};
    const model::KeySpec &key = *session_.encryption().keyInSlot(pending.slot);
    proven_.insert(pending.slot);
    ring_.remember(key, sealed->passphrase);
    VC_TRY(writeToken(key.kind(), pending.slot, sealed->token));
    model::RecordSlot entry = entryFor(key, ring_);
    VC_TRY(completeEntry(store_, pending.slot, recordKey_, sealed->passphrase, entry));
    record_.slots[pending.slot] = std::move(entry);
    return {};
}

base::Status SlotChanger::settleSpare(const Pending &pending, const model::HeaderView &view) {
    const unsigned spare = *pending.spare;
    const model::KeySpec *key = session_.encryption().keyInSlot(pending.slot);
    // A sealed key whose token is in the record only: with the record's `pending` the last way to
    // it would go, so the replacement is done to its end.
    if (const auto sealed = pendingKey(pending)) {
        auto opened = store_.openSlot(spare, sealed->passphrase);
        if (!opened && noKeyWasTried(opened.error())) return base::fail(std::move(opened).error());
        if (opened && *opened == unlocked_.volumeKey) {
            proven_.insert(spare);
            VC_TRY(dropTokens(pending.slot));
            VC_TRY(destroyProven(pending.slot));
            VC_TRY(fill(*key, *sealed));
            return destroyProven(spare);
        }
    }
    // Killed between the destruction of the slot and its refilling: the spare may hold the only new
    // key.
    if (!view.slots.contains(pending.slot) && key != nullptr &&
        key->kind() != model::KeyKind::Unmanaged) {
        auto made = ring_.create(*key);
        if (made) VC_TRY(fill(*key, *made));
    }
    auto proof = proveAnother(spare);
    if (proof) return destroyProven(spare);
    if (proof.error().code != ErrorCode::LastKey) return proof;
    // The only key that opens the volume. On record and not declared: the plan removes it once
    // another one is proven.
    record_.slots.insert_or_assign(spare, pending.entry);
    return {};
}

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// Enrolment of one key.
#include "volume/enrol.h"

#include <utility>

#include "crypto/digest.h"
#include "keys/derivations.h"
#include "volume/kdf_lock.h"

namespace volumecrypt::volume {

luks::KdfCost costFor(const Session &session, model::KeyKind kind) {
    return model::rowOf(kind).machineMade ? luks::KdfCost::Minimal : session.options().cost;
}

base::Status addAndProve(const Session &session, luks::HeaderStore &store, unsigned slot,
                         model::KeyKind kind, const base::SecretBuffer &volumeKey,
                         const base::SecretBuffer &passphrase) {
    const luks::KdfCost cost = costFor(session, kind);
    const std::string context = session.describe() + ", slot " + std::to_string(slot);
    auto added = store.addSlot(slot, volumeKey, passphrase, cost);
    if (!added && added.error().code == base::ErrorCode::Cancelled)
        return base::fail(std::move(added).error());
    if (!added) return base::fail(std::move(added).error().because(context).withSlot(slot));
    auto proof = store.openSlot(slot, passphrase);
    if (proof && *proof == volumeKey) {
        session.reporter().key(slot, model::SlotHealth::Ok);
        return {};
    }
    // Not the key's fault. The next run finds the slot announced, and settles it.
    if (!proof && noKeyWasTried(proof.error())) return base::fail(std::move(proof).error());
    // A slot that cannot be opened again is of no use and would only look like a key.
    auto undone = store.destroySlot(slot);
    std::string message = "the new key does not open the slot that it was just written to";
    if (!proof) message += ": " + proof.error().message;
    if (!undone) message += "; the slot could not be removed either: " + undone.error().message;
    return base::fail(
        base::Error(base::ErrorCode::Internal, message,
                    "The other keys are untouched. Check the disk and the memory of this machine.")
            .because(context)
            .withSlot(slot));
}

std::string paramsDigestOf(const model::KeySpec &key) {
    return crypto::sha256(key.parameterText());
}

model::RecordSlot entryFor(const model::KeySpec &key, KeyRing &ring) {
    model::RecordSlot entry;
    entry.kind = key.kind();
    entry.origin = model::Origin::Declared;
    entry.lockedToState = key.lockToState;
    entry.saltDigest = ring.saltDigest(key);
    entry.paramsDigest = paramsDigestOf(key);
    return entry;
}

base::Status completeEntry(luks::HeaderStore &store, unsigned slot,
                           const base::SecretBuffer &recordKey,
                           const base::SecretBuffer &passphrase, model::RecordSlot &entry) {
    VC_ASSIGN(entry.areaDigest, store.slotDigest(slot));
    entry.check = keys::slotCheck(recordKey, slot, passphrase, entry.areaDigest);
    return {};
}

}  // namespace volumecrypt::volume

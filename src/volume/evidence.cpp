// SPDX-License-Identifier: Apache-2.0
// Comparing declared keys with slots.
#include <utility>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"
#include "keys/derivations.h"
#include "luks/header_copy.h"
#include "model/slot_token.h"
#include "volume/comparison.h"
#include "volume/enrol.h"
#include "volume/kdf_lock.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using model::SlotEvidence;

class Gatherer {
  public:
    Gatherer(const Session &session, const luks::HeaderCopy &header, KeyRing &ring,
             const Unlocked &unlocked, const FoundRecord &found,
             const base::SecretBuffer &recordKey)
        : session_(session),
          header_(header),
          ring_(ring),
          unlocked_(unlocked),
          found_(found),
          recordKey_(recordKey) {}

    base::Result<model::DeclaredKey> describe(const model::KeySpec &key);

  private:
    base::Result<SlotEvidence> evidenceFor(const model::KeySpec &key,
                                           const base::SecretBuffer *passphrase);
    base::Result<SlotEvidence> byRecord(const model::KeySpec &key, const model::RecordSlot &entry,
                                        const base::SecretBuffer *passphrase);
    base::Result<SlotEvidence> byTrying(const model::KeySpec &key,
                                        const base::SecretBuffer *passphrase);
    base::Result<SlotEvidence> byOpening(const model::KeySpec &key,
                                         const base::SecretBuffer &passphrase);
    // Tells what was seen of the key itself, whatever else differs.
    void report(unsigned slot, SlotEvidence evidence, bool available) const;
    void describeUnavailable(const model::KeySpec &key, model::DeclaredKey &declared);
    [[nodiscard]] std::string renewalRefusal(const model::KeySpec &key) const;

    const Session &session_;
    const luks::HeaderCopy &header_;
    KeyRing &ring_;
    const Unlocked &unlocked_;
    const FoundRecord &found_;
    const base::SecretBuffer &recordKey_;
};

base::Result<SlotEvidence> Gatherer::byOpening(const model::KeySpec &key,
                                               const base::SecretBuffer &passphrase) {
    const bool asDeclared = unlocked_.declaredSlot == key.slot && !unlocked_.formerName;
    if (asDeclared && unlocked_.slot == key.slot) return SlotEvidence::Opens;
    if (unlocked_.rejected.contains({key.slot, key.slot})) return SlotEvidence::Rejected;
    auto opened = luks::openSlot(header_, key.slot, passphrase);
    if (opened)
        return *opened == unlocked_.volumeKey ? SlotEvidence::Opens : SlotEvidence::Rejected;
    if (noKeyWasTried(opened.error())) return base::fail(std::move(opened).error());
    if (opened.error().code == base::ErrorCode::KeyRejected ||
        opened.error().code == base::ErrorCode::HeaderRefused)
        return SlotEvidence::Rejected;
    return base::fail(std::move(opened).error().because(session_.describe()));
}

base::Result<SlotEvidence> Gatherer::byRecord(const model::KeySpec &key,
                                              const model::RecordSlot &entry,
                                              const base::SecretBuffer *passphrase) {
    VC_ASSIGN(const std::string area, luks::slotDigest(header_, key.slot));
    const bool sameArea = area == entry.areaDigest;
    if (passphrase == nullptr) return sameArea ? SlotEvidence::AreaSame : SlotEvidence::AreaDiffers;
    const bool matches =
        base::SecretBuffer::copyOf(keys::slotCheck(recordKey_, key.slot, *passphrase, area)) ==
        base::SecretBuffer::copyOf(entry.check);
    if (session_.options().verify) {
        VC_ASSIGN(const SlotEvidence opened, byOpening(key, *passphrase));
        return opened == SlotEvidence::Opens && matches ? SlotEvidence::Verified : opened;
    }
    if (matches) return SlotEvidence::Verified;
    // The area is the one that we wrote, the check is not: the declared passphrase is another one.
    if (sameArea) return SlotEvidence::Rejected;
    return byTrying(key, passphrase);
}

// A slot that is not as we left it, or that we never had.
base::Result<SlotEvidence> Gatherer::byTrying(const model::KeySpec &key,
                                              const base::SecretBuffer *passphrase) {
    // A key that somebody else sealed may open the slot, and be bound to something else.
    const bool foreign = key.isSealed() && !ring_.isAsDeclared(key, header_.view);
    if (passphrase != nullptr) {
        if (foreign) return SlotEvidence::Rejected;
        return byOpening(key, *passphrase);
    }
    // Without a token of the declared kind it is certainly not what is declared.
    const bool sealed = !key.isSealed() || model::slotToken(header_.view, key.kind(), key.slot);
    return sealed ? SlotEvidence::NotTested : SlotEvidence::Rejected;
}

base::Result<SlotEvidence> Gatherer::evidenceFor(const model::KeySpec &key,
                                                 const base::SecretBuffer *passphrase) {
    if (!header_.view.slots.contains(key.slot)) return SlotEvidence::NotTested;
    if (const model::RecordSlot *entry = found_.entry(key.slot)) {
        if (entry->origin == model::Origin::Added) return byTrying(key, passphrase);
        // Somebody else may have made the slot what is declared now.
        if (entry->kind != key.kind()) return byTrying(key, passphrase);
        return byRecord(key, *entry, passphrase);
    }
    return byTrying(key, passphrase);
}

// A sealed key that its token does not give can still be made anew.
void Gatherer::describeUnavailable(const model::KeySpec &key, model::DeclaredKey &declared) {
    declared.available = false;
    declared.unavailableReason = ring_.failure(key).message;
    if (!key.isSealed()) return;
    const auto can = ring_.canCreate(key);
    declared.available = can.has_value();
    if (!can) declared.unavailableReason = can.error().message;
    declared.renewalReason = ring_.renewalReason(key, header_.view);
    declared.renewalRefusal = renewalRefusal(key);
}

std::string Gatherer::renewalRefusal(const model::KeySpec &key) const {
    if (key.kind() != model::KeyKind::Tpm) return {};
    const std::string byHand = "`volumecryptctl rotate-key " + session_.id().text() + " " +
                               std::to_string(key.slot) + "` does it";
    switch (session_.encryption().tpmReseal) {
        case model::TpmReseal::Auto:
            return {};
        case model::TpmReseal::Manual:
            return "encryption.tpmReseal is manual: " + byHand;
        case model::TpmReseal::IfStrong:
            break;
    }
    const model::KeySpec *opener =
        unlocked_.declaredSlot ? session_.encryption().keyInSlot(*unlocked_.declaredSlot) : nullptr;
    if (opener == nullptr || opener->kind() != model::KeyKind::NodeId) return {};
    return "the volume was opened by its nodeID key, which proves less than the TPM did: " +
           byHand + ", and so does `tpmReseal: auto`";
}

void Gatherer::report(unsigned slot, SlotEvidence evidence, bool available) const {
    if (!header_.view.slots.contains(slot)) return;
    Reporter &reporter = session_.reporter();
    if (!available) return reporter.key(slot, model::SlotHealth::Unavailable);
    if (evidence == SlotEvidence::Verified || evidence == SlotEvidence::Opens)
        reporter.key(slot, model::SlotHealth::Ok);
    if (evidence == SlotEvidence::Rejected) reporter.key(slot, model::SlotHealth::Stale);
}

base::Result<model::DeclaredKey> Gatherer::describe(const model::KeySpec &key) {
    VC_TRY(checkStop());
    model::DeclaredKey declared;
    declared.slot = key.slot;
    declared.kind = key.kind();
    declared.lockedToState = key.lockToState;
    declared.paramsDigest = paramsDigestOf(key);
    declared.saltDigest = ring_.saltDigest(key);
    const base::SecretBuffer *passphrase = ring_.passphrase(key, header_.view);
    if (passphrase == nullptr) describeUnavailable(key, declared);
    VC_ASSIGN(declared.evidence, evidenceFor(key, passphrase));
    report(key.slot, declared.evidence, passphrase != nullptr);
    return declared;
}

// Also when its priority was changed (`cryptsetup config --priority`): the key is the same.
base::Result<bool> isAsRecorded(const luks::HeaderCopy &header, unsigned slot,
                                const model::RecordSlot &entry) {
    VC_ASSIGN(const std::string area, luks::slotDigest(header, slot));
    if (area == entry.areaDigest) return true;
    auto json = base::parseForeignJson(header.view.slots.at(slot).json);
    if (!json.is_object()) return false;
    model::HeaderView variant = header.view;
    for (const int priority : {-1, 0, 2}) {  // none (normal), ignore, prefer
        json.erase("priority");
        if (priority >= 0) json["priority"] = priority;
        variant.slots.at(slot).json = json.dump();
        VC_ASSIGN(const std::string other, luks::slotDigestOf(header.device.get(), variant, slot));
        if (other == entry.areaDigest) return true;
    }
    return false;
}

// An entry without a digest is one that we wrote and could not complete.
base::Result<std::set<unsigned>> changedByOthers(const Session &session,
                                                 const luks::HeaderCopy &header,
                                                 const model::Record &record) {
    std::set<unsigned> changed;
    for (const auto &[slot, entry] : record.slots) {
        const bool compared = header.view.slots.contains(slot) && !entry.areaDigest.empty();
        if (!compared || session.encryption().declares(slot)) continue;
        VC_ASSIGN(const bool same, isAsRecorded(header, slot, entry));
        if (!same) changed.insert(slot);
    }
    return changed;
}

}  // namespace

base::Result<model::PlanInput> gatherEvidence(const Session &session,
                                              const luks::HeaderCopy &header, KeyRing &ring,
                                              const Unlocked &unlocked, const FoundRecord &found,
                                              const base::SecretBuffer &recordKey) {
    model::PlanInput input;
    input.volume = session.id().text();
    input.device = session.device().node;
    input.policy = session.encryption().unmanagedSlots;
    input.declaredByMeta = session.encryptionIsMetas();
    input.header = header.view;
    input.trust = found.trust;
    input.record = found.record;
    if (found.former) input.formerName = found.former->text();
    if (found.record) {
        VC_ASSIGN(input.changedByOthers, changedByOthers(session, header, *found.record));
    }
    for (const model::KeySpec &key : session.encryption().keys)
        if (key.kind() == model::KeyKind::Unmanaged) input.documentedUnmanaged.insert(key.slot);
    Gatherer gatherer(session, header, ring, unlocked, found, recordKey);
    for (const model::KeySpec *key : ring.keys()) {
        VC_ASSIGN(model::DeclaredKey declared, gatherer.describe(*key));
        input.declared.push_back(std::move(declared));
    }
    return input;
}

}  // namespace volumecrypt::volume

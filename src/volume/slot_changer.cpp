// SPDX-License-Identifier: Apache-2.0
// The steps of sync, each safe against a kill at any write.
#include "volume/slot_changer.h"

#include <utility>
#include <vector>

#include "base/journal.h"
#include "crypto/digest.h"
#include "keys/derivations.h"
#include "model/slot_token.h"
#include "volume/enrol.h"
#include "volume/kdf_lock.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using model::Pending;
using model::PendingOperation;
using model::StepAction;

Pending pendingFor(PendingOperation operation, unsigned slot) {
    Pending pending;
    pending.operation = operation;
    pending.slot = slot;
    return pending;
}

}  // namespace

SlotChanger::SlotChanger(const Session &session, luks::HeaderStore &store, KeyRing &ring,
                         const Unlocked &unlocked, const FoundRecord &found,
                         const base::SecretBuffer &recordKey)
    : session_(session),
      store_(store),
      ring_(ring),
      unlocked_(unlocked),
      recordKey_(recordKey),
      token_(found.token),
      surplus_(found.surplus),
      proven_{unlocked.slot} {
    if (found.record) {
        record_ = *found.record;
        written_ = record_.toJson();
        return;
    }
    // Somebody else's volume, or a record that cannot be trusted: its slots are adopted one by one.
    // It holds data.
    record_.volume = session.id().text();
    record_.phase = model::Phase::Ready;
}

std::string SlotChanger::at(unsigned slot) const {
    return session_.describe() + ", slot " + std::to_string(slot);
}

void SlotChanger::log(const char *operation, unsigned slot) {
    done_.push_back(operation + (" " + std::to_string(slot)));
    begun_.clear();
    base::log(base::Severity::Notice, at(slot) + ": " + operation,
              {{"MESSAGE_ID", std::string(base::message_id::kSlotChanged)},
               {"VOLUME", session_.id().text()},
               {"SLOT", std::to_string(slot)},
               {"OPERATION", operation}});
}

base::Status SlotChanger::commit() {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    takeName(view);
    VC_ASSIGN(const unsigned token, chooseRecordToken(view, session_.encryption().keys, token_));
    if (token_ && *token_ != token && !written_.empty()) VC_TRY(move(token));
    const std::string json = sealRecord(record_, recordKey_);
    if (auto done = store_.setToken(token, json); !done)
        return base::fail(
            std::move(done).error().because(session_.describe() + ": writing the record"));
    const auto previous = std::exchange(token_, token);
    written_ = json;
    changed_ = true;
    // One that could not be trusted: it goes only after the new one is in place.
    if (previous && *previous != token) VC_TRY(store_.removeToken(*previous));
    return {};
}

void SlotChanger::mark(std::string machine) {
    mark_ = std::move(machine);
    if (!mark_.empty() && !record_.machine.empty()) record_.machine = mark_;
}

void SlotChanger::takeName(const model::HeaderView &view) {
    if (record_.volume == session_.id().text()) return;
    for (const model::KeySpec *key : ring_.keys()) {
        if (!key->row().ofVolumeName || !view.slots.contains(key->slot)) continue;
        const model::RecordSlot *entry = record_.entry(key->slot);
        const base::SecretBuffer *passphrase = ring_.passphrase(*key, view);
        if (passphrase == nullptr || entry == nullptr) return;
        const std::string check =
            keys::slotCheck(recordKey_, key->slot, *passphrase, entry->areaDigest);
        if (check != entry->check) return;
    }
    record_.volume = session_.id().text();
}

// Killed in between there are two that say the same, and either of them will do.
base::Status SlotChanger::move(unsigned token) {
    if (auto done = store_.setToken(token, written_); !done)
        return base::fail(
            std::move(done).error().because(session_.describe() + ": moving the record"));
    changed_ = true;
    VC_TRY(store_.removeToken(*token_));
    token_ = token;
    return {};
}

base::Status SlotChanger::announce(Pending pending) {
    record_.pending = std::move(pending);
    return commit();
}

base::Status SlotChanger::finish(const model::HeaderView &begun) {
    return told(commitIfDifferent(begun));
}

base::Status SlotChanger::commitIfDifferent(const model::HeaderView &begun) {
    std::optional<model::HeaderView> now;
    if (changed_) {
        VC_ASSIGN(now, store_.view());
    }
    const model::HeaderView &view = now ? *now : begun;
    takeName(view);
    takeMark(view);
    VC_ASSIGN(const unsigned token, chooseRecordToken(view, session_.encryption().keys, token_));
    if (token_ == token && sealRecord(record_, recordKey_) == written_) return {};
    return commit();
}

base::Status SlotChanger::apply(const model::Step &step) {
    return told(take(step));
}

base::Status SlotChanger::take(const model::Step &step) {
    switch (step.action) {
        case StepAction::Adopt:
            return adopt(step);
        case StepAction::Add:
            return add(step);
        case StepAction::Replace:
            return replace(step);
        case StepAction::Remove:
            return remove(step.slot);
        case StepAction::Keep:
        case StepAction::Defer:
        case StepAction::Refuse:
            break;
    }
    return {};
}

base::Status SlotChanger::adopt(const model::Step &step) {
    if (step.kind == model::KeyKind::Unmanaged) {
        record_.slots.erase(step.slot);
        return {};
    }
    const model::KeySpec &key = *session_.encryption().keyInSlot(step.slot);
    VC_ASSIGN(const model::HeaderView view, store_.view());
    const base::SecretBuffer *passphrase = ring_.passphrase(key, view);
    if (passphrase == nullptr) return base::fail(base::Error(ring_.failure(key)));
    model::RecordSlot entry = entryFor(key, ring_);
    VC_TRY(completeEntry(store_, step.slot, recordKey_, *passphrase, entry));
    record_.slots[step.slot] = std::move(entry);
    return {};
}

base::Status SlotChanger::fill(const model::KeySpec &key, const keys::NewKey &made) {
    VC_TRY(
        addAndProve(session_, store_, key.slot, key.kind(), unlocked_.volumeKey, made.passphrase));
    proven_.insert(key.slot);
    begun_.insert(key.slot);
    ring_.remember(key, made.passphrase);
    // The token names the slot, so it comes after it; until then the record's `pending` has it.
    if (!made.token.empty()) VC_TRY(writeToken(key.kind(), key.slot, made.token));
    model::RecordSlot entry = entryFor(key, ring_);
    VC_TRY(completeEntry(store_, key.slot, recordKey_, made.passphrase, entry));
    record_.slots[key.slot] = std::move(entry);
    return {};
}

base::Status SlotChanger::add(const model::Step &step) {
    const model::KeySpec &key = *session_.encryption().keyInSlot(step.slot);
    VC_ASSIGN(const keys::NewKey made, ring_.create(key));
    Pending pending = pendingFor(PendingOperation::Add, key.slot);
    pending.token = made.token;
    pending.entry = entryFor(key, ring_);
    VC_TRY(expectRoomToAdd(pending));
    VC_TRY(announce(std::move(pending)));
    if (auto done = fill(key, made); !done) return withdrawAdd(key.slot, std::move(done).error());
    record_.pending.reset();
    VC_TRY(commit());
    log("add", key.slot);
    return {};
}

base::Status SlotChanger::replace(const model::Step &step) {
    const model::KeySpec &key = *session_.encryption().keyInSlot(step.slot);
    VC_ASSIGN(const keys::NewKey made, ring_.create(key));
    std::vector<unsigned> avoid;
    for (const model::KeySpec &declared : session_.encryption().keys)
        avoid.push_back(declared.slot);
    VC_ASSIGN(const model::HeaderView view, store_.view());
    if (view.slots.contains(key.slot) && !record_.slots.contains(key.slot)) {
        return base::fail(base::Error(ErrorCode::SlotInUse,
                                      at(key.slot) + ": the slot holds a key that is not ours")
                              .withSlot(key.slot));
    }
    Pending pending = pendingFor(PendingOperation::Replace, key.slot);
    pending.token = made.token;
    pending.entry = entryFor(key, ring_);
    const auto spare = hasRoomForSpare(view, pending) ? view.highestFreeSlot(avoid) : std::nullopt;
    if (spare) {
        auto added = addSpare(key, made, *spare);
        if (added) return replaceThroughSpare(key, made, *spare);
        // Nothing that worked has been touched yet: the slower way remains.
        if (added.error().code != ErrorCode::NoSpace) return added;
    }
    VC_TRY(expectRoomToRefill(pending));
    return replaceInPlace(key, made);
}

base::Status SlotChanger::addSpare(const model::KeySpec &key, const keys::NewKey &made,
                                   unsigned spare) {
    Pending pending = pendingFor(PendingOperation::Replace, key.slot);
    pending.spare = spare;
    pending.token = made.token;
    pending.entry = entryFor(key, ring_);
    VC_TRY(announce(std::move(pending)));
    VC_TRY(addAndProve(session_, store_, spare, key.kind(), unlocked_.volumeKey, made.passphrase));
    proven_.insert(spare);
    begun_.insert(key.slot);
    return {};
}

base::Status SlotChanger::replaceThroughSpare(const model::KeySpec &key, const keys::NewKey &made,
                                              unsigned spare) {
    VC_TRY(dropTokens(key.slot));
    VC_TRY(destroyProven(key.slot));
    VC_TRY(fill(key, made));
    VC_TRY(destroyProven(spare));
    record_.pending.reset();
    VC_TRY(commit());
    log("replace", key.slot);
    return {};
}

base::Status SlotChanger::replaceInPlace(const model::KeySpec &key, const keys::NewKey &made) {
    // Between destroy and add the new key is nowhere: another key must be known to open the volume.
    VC_TRY(proveAnother(key.slot));
    Pending pending = pendingFor(PendingOperation::Replace, key.slot);
    pending.token = made.token;
    pending.entry = entryFor(key, ring_);
    VC_TRY(announce(std::move(pending)));
    VC_TRY(dropTokens(key.slot));
    VC_TRY(destroyProven(key.slot));
    VC_TRY(fill(key, made));
    record_.pending.reset();
    VC_TRY(commit());
    log("replace", key.slot);
    return {};
}

base::Status SlotChanger::removeOurs(unsigned slot) {
    return told(remove(slot));
}

base::Status SlotChanger::remove(unsigned slot) {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    if (!view.slots.contains(slot)) {
        record_.slots.erase(slot);
        return {};
    }
    VC_TRY(proveAnother(slot));
    VC_TRY(announce(pendingFor(PendingOperation::Remove, slot)));
    VC_TRY(dropTokens(slot));
    VC_TRY(destroyProven(slot));
    record_.slots.erase(slot);
    record_.pending.reset();
    VC_TRY(commit());
    log("remove", slot);
    return {};
}

base::Status SlotChanger::addUndeclared(unsigned slot, model::KeyKind kind,
                                        const base::SecretBuffer &passphrase,
                                        const std::string &token) {
    return told(addOther(slot, kind, passphrase, token));
}

base::Status SlotChanger::addOther(unsigned slot, model::KeyKind kind,
                                   const base::SecretBuffer &passphrase, const std::string &token) {
    model::RecordSlot entry;
    entry.kind = kind;
    entry.origin = model::Origin::Added;
    entry.paramsDigest = crypto::sha256("");
    Pending pending = pendingFor(PendingOperation::Add, slot);
    pending.token = token;
    pending.entry = entry;
    VC_TRY(expectRoomToAdd(pending));
    VC_TRY(announce(std::move(pending)));
    const auto enrol = [&]() -> base::Status {
        VC_TRY(addAndProve(session_, store_, slot, kind, unlocked_.volumeKey, passphrase));
        proven_.insert(slot);
        begun_.insert(slot);
        if (!token.empty()) VC_TRY(writeToken(kind, slot, token));
        return completeEntry(store_, slot, recordKey_, passphrase, entry);
    };
    if (auto done = enrol(); !done) return withdrawAdd(slot, std::move(done).error());
    record_.slots[slot] = std::move(entry);
    record_.pending.reset();
    VC_TRY(commit());
    log("add", slot);
    return {};
}

base::Status SlotChanger::writeToken(model::KeyKind kind, unsigned slot, const std::string &json) {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    unsigned id = 0;
    if (const auto present = model::slotToken(view, kind, slot)) {
        id = present->id;
    } else {
        VC_ASSIGN(id, model::chooseSlotToken(view, kind, slot, session_.encryption().keys));
    }
    if (auto done = store_.setToken(id, json); !done)
        return base::fail(std::move(done).error().because(at(slot) + ": writing its token"));
    changed_ = true;
    return {};
}

base::Status SlotChanger::dropTokens(unsigned slot) {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    for (const unsigned id : model::tokensOfSlot(view, slot)) {
        if (auto done = store_.removeToken(id); !done)
            return base::fail(std::move(done).error().because(at(slot) + ": removing its token"));
        changed_ = true;
    }
    return {};
}

base::Status SlotChanger::proveAnother(unsigned slot) {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    for (const unsigned other : proven_)
        if (other != slot && view.slots.contains(other)) return {};
    for (const model::KeySpec *key : ring_.keysToTry()) {
        if (key->slot == slot || !view.slots.contains(key->slot)) continue;
        const base::SecretBuffer *passphrase = ring_.passphrase(*key, view);
        if (passphrase == nullptr) continue;
        auto opened = store_.openSlot(key->slot, *passphrase);
        if (!opened && noKeyWasTried(opened.error())) return base::fail(std::move(opened).error());
        if (!opened || !(*opened == unlocked_.volumeKey)) continue;
        proven_.insert(key->slot);
        return {};
    }
    return base::fail(
        base::Error(
            ErrorCode::LastKey,
            at(slot) + ": no other key could be proven to open the volume, so this one stays",
            "Declare a second key for the volume, or give one that opens it.")
            .withSlot(slot));
}

base::Status SlotChanger::destroyProven(unsigned slot) {
    VC_TRY(proveAnother(slot));
    if (auto done = store_.destroySlot(slot); !done)
        return base::fail(std::move(done).error().because(at(slot)).withSlot(slot));
    changed_ = true;
    begun_.insert(slot);
    proven_.erase(slot);
    return {};
}

}  // namespace volumecrypt::volume

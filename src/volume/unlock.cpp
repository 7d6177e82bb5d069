// SPDX-License-Identifier: Apache-2.0
// Tries keys, cheapest first, one key derivation at a time.
#include "volume/unlock.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/recovery_key.h"
#include "keys/static_key.h"
#include "model/slot_token.h"
#include "volume/former_name.h"
#include "volume/kdf_lock.h"
#include "volume/key_failures.h"
#include "volume/maker.h"
#include "volume/record_book.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

// Keys that moved to another slot are looked for, but a wrong configuration must not run for
// minutes.
constexpr int kMostDisplacedTries = 16;
// A wrong passphrase must not take twice as long on a volume with many slots.
constexpr int kMostNewlineTries = 4;

class Attempt {
  public:
    Attempt(const Session &session, const luks::HeaderCopy &header, KeyRing &ring)
        : session_(session), header_(header), ring_(ring) {}

    base::Result<Unlocked> bySecret();
    base::Result<Unlocked> byDeclaredKeys();
    [[nodiscard]] const std::string &failures() const { return failures_.reasons(); }

  private:
    [[nodiscard]] std::vector<unsigned> slotsForSecret() const;
    base::Result<std::optional<Unlocked>> trySecret(const base::SecretBuffer &secret);
    // Empty when the key does not open the slot; the reason is noted. Fails when it was not tried.
    base::Result<std::optional<base::SecretBuffer>> tryKey(const model::KeySpec &key,
                                                           unsigned slot);
    base::Result<std::optional<Unlocked>> opened(const model::KeySpec &key, unsigned slot);
    // A change that was interrupted may have left the new key in its spare slot only, or its token
    // in the record only.
    base::Result<std::optional<Unlocked>> byPending();
    base::Result<std::optional<Unlocked>> byPendingToken(const model::KeySpec &key,
                                                         const model::Pending &pending);
    // The temporary slots of an unfinished change of the volume key.
    base::Result<std::optional<Unlocked>> byJob();
    // nodeID keys of a volume that was renamed.
    base::Result<std::optional<Unlocked>> byFormerName();
    // The key was had, and does not open its own slot.
    [[nodiscard]] base::Error doesNotOpen(const model::KeySpec &key, const base::Error &error);
    // Where a newline at the end is all that is wrong with a secret that somebody gave, says so.
    base::Result<std::string> newlineNote() const;
    // The salt of STATE is not the one that the slot was made with, by the record.
    bool wasStateReplaced(const model::KeySpec &key);
    [[nodiscard]] base::Error erased(base::ErrorCode code) const;
    [[nodiscard]] base::Error noUsableKey() const;

    const Session &session_;
    const luks::HeaderCopy &header_;
    KeyRing &ring_;
    std::set<std::pair<unsigned, unsigned>> rejected_;
    std::set<unsigned> unavailable_;
    KeyFailures failures_;
};

bool Attempt::wasStateReplaced(const model::KeySpec &key) {
    // Not authenticated, and good enough to explain what was found out without it.
    const FoundRecord found = peekRecord(header_.view);
    if (!key.lockToState || !found.record) return false;
    const model::RecordSlot *entry = found.record->entry(key.slot);
    if (entry == nullptr || entry->saltDigest.empty()) return false;
    const std::string present = ring_.saltDigest(key);
    return !present.empty() && present != entry->saltDigest;
}

// Those of recovery keys first: they cost next to nothing.
std::vector<unsigned> Attempt::slotsForSecret() const {
    std::vector<unsigned> slots;
    for (const auto &[slot, view] : header_.view.slots)
        if (model::slotToken(header_.view, model::KeyKind::Recovery, slot)) slots.push_back(slot);
    for (const auto &[slot, view] : header_.view.slots)
        if (std::find(slots.begin(), slots.end(), slot) == slots.end()) slots.push_back(slot);
    return slots;
}

base::Result<std::optional<Unlocked>> Attempt::trySecret(const base::SecretBuffer &secret) {
    for (const unsigned slot : slotsForSecret()) {
        VC_TRY(checkStop());
        auto volumeKey = luks::openSlot(header_, slot, secret);
        if (!volumeKey && noKeyWasTried(volumeKey.error())) return base::fail(volumeKey.error());
        if (volumeKey) {
            // Of a declared slot it says nothing of the declared key.
            if (!session_.encryption().declares(slot))
                session_.reporter().key(slot, model::SlotHealth::Ok);
            return Unlocked{.volumeKey = std::move(*volumeKey),
                            .slot = slot,
                            .rejected = {},
                            .declaredSlot = {}};
        }
        if (volumeKey.error().code != ErrorCode::KeyRejected) failures_.add(volumeKey.error());
    }
    return std::nullopt;
}

base::Result<Unlocked> Attempt::bySecret() {
    if (header_.view.slots.empty()) return base::fail(erased(ErrorCode::KeyRejected));
    // A recovery key, however it was typed.
    if (const auto recovery = base::normalizeRecoveryKey(*session_.secret());
        recovery && !(*recovery == *session_.secret())) {
        VC_ASSIGN(auto opened, trySecret(*recovery));
        if (opened) return std::move(*opened);
    }
    VC_ASSIGN(auto opened, trySecret(*session_.secret()));
    if (opened) return std::move(*opened);
    VC_ASSIGN(const std::string note, newlineNote());
    return base::fail(ErrorCode::KeyRejected,
                      session_.describe() + ": the given secret opens none of its key slots" +
                          note +
                          (failures_.reasons().empty() ? "" : " (" + failures_.reasons() + ")"),
                      "Check the passphrase; `volumecryptctl keys " + session_.id().text() +
                          "` shows the key slots.");
}

base::Result<std::string> Attempt::newlineNote() const {
    const base::SecretBuffer &given = *session_.secret();
    const base::SecretBuffer variant = keys::withOtherNewline(given);
    int tries = 0;
    for (const auto &[slot, view] : header_.view.slots) {
        if (tries++ == kMostNewlineTries) break;
        VC_TRY(checkStop());
        const auto opened = luks::openSlot(header_, slot, variant);
        if (!opened && noKeyWasTried(opened.error())) return base::fail(opened.error());
        if (opened)
            return std::string(variant.size() < given.size()
                                   ? "; without the newline at its end it would open slot "
                                   : "; with a newline at its end it would open slot ") +
                   std::to_string(slot) +
                   (variant.size() < given.size() ? "" : ", as a key file has that echo wrote");
    }
    return std::string();
}

base::Result<std::optional<base::SecretBuffer>> Attempt::tryKey(const model::KeySpec &key,
                                                                unsigned slot) {
    if (unavailable_.contains(key.slot) || rejected_.contains({key.slot, slot}))
        return std::nullopt;
    const base::SecretBuffer *passphrase = ring_.passphrase(key, header_.view);
    if (passphrase == nullptr) {
        unavailable_.insert(key.slot);
        if (slot == key.slot) session_.reporter().key(slot, model::SlotHealth::Unavailable);
        failures_.add(ring_.failure(key));
        return std::nullopt;
    }
    auto volumeKey = luks::openSlot(header_, slot, *passphrase);
    if (!volumeKey && noKeyWasTried(volumeKey.error()))
        return base::fail(std::move(volumeKey).error());
    if (slot == key.slot)
        session_.reporter().key(slot, volumeKey ? model::SlotHealth::Ok : model::SlotHealth::Stale);
    if (volumeKey) return std::move(*volumeKey);
    rejected_.insert({key.slot, slot});
    if (slot == key.slot) failures_.add(doesNotOpen(key, volumeKey.error()));
    return std::nullopt;
}

base::Error Attempt::doesNotOpen(const model::KeySpec &key, const base::Error &error) {
    base::Error shown = error;
    const std::string prefix = "slot " + std::to_string(key.slot) + ": ";
    if (error.code != ErrorCode::KeyRejected) {
        shown.message = prefix + error.message;
        return shown;
    }
    if (wasStateReplaced(key)) {
        shown.code = ErrorCode::SaltUnavailable;
        shown.message = prefix + "STATE was replaced: its salt is not the one that the " +
                        std::string(key.row().name) + " key was locked to";
        return shown;
    }
    return ring_.whyNotOpened(key, std::move(shown), [&](const base::SecretBuffer &other) {
        return luks::openSlot(header_, key.slot, other).has_value();
    });
}

base::Result<std::optional<Unlocked>> Attempt::opened(const model::KeySpec &key, unsigned slot) {
    VC_ASSIGN(auto volumeKey, tryKey(key, slot));
    if (!volumeKey) return std::nullopt;
    return Unlocked{.volumeKey = std::move(*volumeKey),
                    .slot = slot,
                    .rejected = rejected_,
                    .declaredSlot = key.slot};
}

base::Result<std::optional<Unlocked>> Attempt::byPending() {
    // Not authenticated yet, and it need not be: it only says what to try next.
    const FoundRecord found = peekRecord(header_.view);
    if (!found.record || !found.record->pending) return std::nullopt;
    const model::Pending &pending = *found.record->pending;
    const model::KeySpec *key = session_.encryption().keyInSlot(pending.slot);
    if (key == nullptr || key->kind() == model::KeyKind::Unmanaged) return std::nullopt;
    if (key->isSealed() && !pending.token.empty()) {
        VC_ASSIGN(auto result, byPendingToken(*key, pending));
        if (result) return result;
    }
    if (!pending.spare || !header_.view.slots.contains(*pending.spare)) return std::nullopt;
    return opened(*key, *pending.spare);
}

base::Result<std::optional<Unlocked>> Attempt::byJob() {
    // As above: it only says what to try next.
    const FoundRecord found = peekRecord(header_.view);
    if (!found.record || !found.record->job) return std::nullopt;
    const auto &slots = found.record->job->slots;
    for (const model::KeySpec *key : ring_.keysToTry()) {
        const auto at = slots.find(key->slot);
        if (at == slots.end() || !header_.view.slots.contains(at->second)) continue;
        VC_TRY(checkStop());
        VC_ASSIGN(auto result, opened(*key, at->second));
        if (result) return result;
    }
    return std::nullopt;
}

base::Result<std::optional<Unlocked>> Attempt::byPendingToken(const model::KeySpec &key,
                                                              const model::Pending &pending) {
    auto passphrase = ring_.passphraseFrom(key, model::tokenFromJson(pending.token));
    if (!passphrase) {
        failures_.add(passphrase.error());
        return std::nullopt;
    }
    for (const unsigned slot : {pending.spare.value_or(pending.slot), pending.slot}) {
        if (!header_.view.slots.contains(slot)) continue;
        auto volumeKey = luks::openSlot(header_, slot, *passphrase);
        if (!volumeKey && noKeyWasTried(volumeKey.error())) return base::fail(volumeKey.error());
        if (volumeKey)
            return Unlocked{.volumeKey = std::move(*volumeKey),
                            .slot = slot,
                            .rejected = rejected_,
                            .declaredSlot = key.slot};
    }
    return std::nullopt;
}

base::Result<std::optional<Unlocked>> Attempt::byFormerName() {
    const FoundRecord found = peekRecord(header_.view);
    const auto name = found.record ? formerName(session_, *found.record) : std::nullopt;
    if (!name) return std::nullopt;
    for (const model::KeySpec *key : ring_.keysToTry()) {
        if (!key->row().ofVolumeName || unavailable_.contains(key->slot)) continue;
        if (!header_.view.slots.contains(key->slot)) continue;
        VC_TRY(checkStop());
        auto passphrase = ring_.passphraseUnder(session_, *key, *name);
        if (!passphrase) continue;  // told of the present name's already
        auto volumeKey = luks::openSlot(header_, key->slot, *passphrase);
        if (!volumeKey && noKeyWasTried(volumeKey.error())) return base::fail(volumeKey.error());
        if (volumeKey)
            return Unlocked{.volumeKey = std::move(*volumeKey),
                            .slot = key->slot,
                            .rejected = rejected_,
                            .declaredSlot = key->slot,
                            .formerName = *name};
    }
    return std::nullopt;
}

base::Result<Unlocked> Attempt::byDeclaredKeys() {
    const auto keys = ring_.keysToTry();
    for (const model::KeySpec *key : keys) {
        VC_TRY(checkStop());
        if (!header_.view.slots.contains(key->slot)) {
            failures_.note("slot " + std::to_string(key->slot) + ": empty");
            continue;
        }
        VC_ASSIGN(auto result, opened(*key, key->slot));
        if (result) return std::move(*result);
    }
    VC_ASSIGN(auto carried, byJob());
    if (carried) return std::move(*carried);
    VC_ASSIGN(auto left, byPending());
    if (left) return std::move(*left);
    VC_ASSIGN(auto former, byFormerName());
    if (former) return std::move(*former);
    int tries = 0;
    for (const model::KeySpec *key : keys) {
        for (const auto &[slot, view] : header_.view.slots) {
            // Neither costs a key derivation.
            const bool known = slot == key->slot || rejected_.contains({key->slot, slot});
            if (known || unavailable_.contains(key->slot)) continue;
            if (tries == kMostDisplacedTries) {
                failures_.note("not every other slot was tried");
                return base::fail(noUsableKey());
            }
            VC_TRY(checkStop());
            ++tries;
            VC_ASSIGN(auto result, opened(*key, slot));
            if (result) return std::move(*result);
        }
    }
    return base::fail(noUsableKey());
}

// Erased: no passphrase can help.
base::Error Attempt::erased(ErrorCode code) const {
    return {code, session_.describe() + ": it has no key slot any more: nothing opens it",
            "Restore a backup of its header (`cryptsetup luksHeaderRestore " +
                session_.device().node +
                " --header-backup-file FILE`), or give its data up: `volumecryptctl wipe " +
                session_.id().text() + "` makes the device usable again."};
}

base::Error Attempt::noUsableKey() const {
    if (header_.view.slots.empty()) return erased(ErrorCode::NoUsableKey);
    const std::string strange = strangeness(session_, header_.view);
    const std::string opening =
        strange.empty()
            ? "Give a passphrase that opens it: `volumecryptctl unlock " + session_.id().text() +
                  " --passphrase` asks for one and brings the declared keys in."
            : otherMachineHint(session_, false);
    base::Error error = failures_.summary(session_.describe() + ": no declared key opens it" +
                                              (strange.empty() ? "" : " (" + strange + ")"),
                                          opening);
    // That of a server or a TPM speaks of this machine's keys alone.
    if (!strange.empty() && error.hint.find(opening) == std::string::npos)
        error.hint = opening + " " + error.hint;
    return error;
}

}  // namespace

base::Result<Unlocked> unlock(const Session &session, const luks::HeaderCopy &header,
                              KeyRing &ring) {
    Attempt attempt(session, header, ring);
    if (session.secret() != nullptr) return attempt.bySecret();
    auto result = attempt.byDeclaredKeys();
    if (result) result->failures = attempt.failures();
    return result;
}

}  // namespace volumecrypt::volume

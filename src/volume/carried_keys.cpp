// SPDX-License-Identifier: Apache-2.0
// Finds the passphrase of each key slot: by the record's checks where these can tell, else by
// opening the slot.
#include "volume/carried_keys.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/recovery_key.h"
#include "keys/derivations.h"
#include "luks/header_copy.h"
#include "luks/new_volume_key.h"
#include "volume/kdf_lock.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

class Carrier {
  public:
    Carrier(const Session &session, const OpenedVolume &volume, KeyRing &ring)
        : session_(session), volume_(volume), ring_(ring) {}

    // Empty when nothing that is known opens it.
    base::Result<std::optional<base::SecretBuffer>> passphraseOf(unsigned slot);

  private:
    base::Result<bool> opens(unsigned slot, const base::SecretBuffer &passphrase);
    [[nodiscard]] std::vector<base::SecretBuffer> given() const;

    const Session &session_;
    const OpenedVolume &volume_;
    KeyRing &ring_;
};

base::Result<bool> Carrier::opens(unsigned slot, const base::SecretBuffer &passphrase) {
    if (const model::RecordSlot *entry = volume_.found.entry(slot)) {
        VC_ASSIGN(const std::string area, luks::slotDigest(volume_.header, slot));
        if (area == entry->areaDigest && !entry->check.empty() &&
            keys::slotCheck(volume_.recordKey, slot, passphrase, area) == entry->check)
            return true;
    }
    VC_TRY(checkStop());
    auto key = luks::openSlot(volume_.header, slot, passphrase);
    if (!key && noKeyWasTried(key.error())) return base::fail(std::move(key).error());
    return key && *key == volume_.unlocked.volumeKey;
}

std::vector<base::SecretBuffer> Carrier::given() const {
    std::vector<base::SecretBuffer> secrets;
    if (session_.secret() == nullptr) return secrets;
    if (auto recovery = base::normalizeRecoveryKey(*session_.secret()))
        secrets.push_back(std::move(*recovery));
    secrets.push_back(base::SecretBuffer::copyOf(session_.secret()->bytes()));
    return secrets;
}

base::Result<std::optional<base::SecretBuffer>> Carrier::passphraseOf(unsigned slot) {
    const model::KeySpec *declared = session_.encryption().keyInSlot(slot);
    if (declared != nullptr && declared->kind() != model::KeyKind::Unmanaged) {
        if (const auto *passphrase = ring_.passphrase(*declared, volume_.header.view)) {
            VC_ASSIGN(const bool fits, opens(slot, *passphrase));
            if (fits) return base::SecretBuffer::copyOf(passphrase->bytes());
        }
    }
    for (base::SecretBuffer &secret : given()) {
        VC_ASSIGN(const bool fits, opens(slot, secret));
        if (fits) return std::move(secret);
    }
    return std::nullopt;
}

model::KeyKind kindIn(const Session &session, const OpenedVolume &volume, unsigned slot) {
    if (const model::RecordSlot *entry = volume.found.entry(slot)) return entry->kind;
    const model::KeySpec *declared = session.encryption().keyInSlot(slot);
    return declared == nullptr ? model::KeyKind::Unknown : declared->kind();
}

base::Error notCarried(const Session &session, const std::vector<unsigned> &slots) {
    std::string list;
    for (const unsigned slot : slots) list += (list.empty() ? "" : ", ") + std::to_string(slot);
    const std::string id = session.id().text();
    const bool one = slots.size() == 1;
    return base::Error(
               ErrorCode::SlotInUse,
               session.describe() + ": the key" + (one ? " in slot " : "s in slots ") + list +
                   (one ? " cannot be carried over to a new volume key: its passphrase is"
                        : " cannot be carried over to a new volume key: their passphrases are") +
                   " not known",
               std::string("Nothing was changed. ") +
                   (one ? "Give it with `volumecryptctl rotate-volume-key --secret-file FILE " +
                              id + "`, or "
                        : "One can be given with `volumecryptctl rotate-volume-key --secret-file "
                          "FILE " +
                              id + "`; ") +
                   "remove what is not needed (`volumecryptctl remove-key " + id +
                   " N`; of a key that is not ours, `cryptsetup luksKillSlot " +
                   session.device().node + " N`) and add it again afterwards.")
        .withSlot(slots.front());
}

}  // namespace

base::Result<std::vector<CarriedKey>> carriedKeys(const Session &session,
                                                  const OpenedVolume &volume, KeyRing &ring) {
    Carrier carrier(session, volume, ring);
    std::vector<CarriedKey> keys;
    std::vector<unsigned> unknown;
    if (volume.header.view.slots.size() > kMostCarriedKeys)
        return base::fail(ErrorCode::NoSpace,
                          session.describe() + " has " +
                              std::to_string(volume.header.view.slots.size()) +
                              " keys, and a change of the volume key carries 15 over at most",
                          "Nothing was changed. Remove keys, and add them again afterwards.");
    for (const auto &[slot, view] : volume.header.view.slots) {
        // Of the key slots of no data nothing can be said; a refused reencryption leaves such.
        if (view.unbound) {
            unknown.push_back(slot);
            continue;
        }
        VC_ASSIGN(auto passphrase, carrier.passphraseOf(slot));
        if (!passphrase) {
            unknown.push_back(slot);
            continue;
        }
        keys.push_back({.slot = slot,
                        .kind = kindIn(session, volume, slot),
                        .passphrase = std::move(*passphrase)});
    }
    if (!unknown.empty()) return base::fail(notCarried(session, unknown));
    std::ranges::stable_sort(keys, std::greater<>(), [](const CarriedKey &key) {
        return model::rowOf(key.kind).machineMade;
    });
    return keys;
}

base::Result<base::SecretBuffer> openingPassphrase(const Session &session,
                                                   const OpenedVolume &volume, KeyRing &ring) {
    if (volume.unlocked.declaredSlot) {
        const model::KeySpec *key = session.encryption().keyInSlot(*volume.unlocked.declaredSlot);
        const base::SecretBuffer *passphrase =
            key == nullptr ? nullptr : ring.passphrase(*key, volume.header.view);
        if (passphrase != nullptr) return base::SecretBuffer::copyOf(passphrase->bytes());
    }
    if (session.secret() != nullptr) {
        if (auto recovery = base::normalizeRecoveryKey(*session.secret())) {
            auto key = luks::openAnySlot(volume.header, volume.unlocked.slot, *recovery);
            if (key) return std::move(*recovery);
        }
        return base::SecretBuffer::copyOf(session.secret()->bytes());
    }
    return base::fail(ErrorCode::NoUsableKey,
                      session.describe() + ": no passphrase is known that opens it");
}

}  // namespace volumecrypt::volume

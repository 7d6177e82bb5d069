// SPDX-License-Identifier: Apache-2.0
// Unbound key slots: CRYPT_VOLUME_KEY_NO_SEGMENT.
#include "luks/new_volume_key.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <sys/random.h>

#include "luks/header_read.h"
#include "luks/header_validation.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "model/volume_spec.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

constexpr std::size_t kAreaKeyBytes = 64;

}  // namespace

base::Result<base::SecretBuffer> makeVolumeKey(std::size_t bytes) {
    base::SecretBuffer key(bytes);
    std::size_t filled = 0;
    while (filled < bytes) {
        // Waits until the kernel's generator is seeded.
        const ssize_t got = ::getrandom(key.chars() + filled, bytes - filled, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail(base::errnoError("get random bytes", errno));
        filled += static_cast<std::size_t>(got);
    }
    return key;
}

base::Status addNewKeySlot(const std::string &path, unsigned slot,
                           const base::SecretBuffer &newVolumeKey,
                           const base::SecretBuffer &passphrase, KdfCost cost) {
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path));
    VC_TRY(validateHeader(header.view));
    if (header.view.slots.contains(slot))
        return failSlot(ErrorCode::SlotInUse, slot, slotName(slot) + " of " + path + " is in use");
    if (!header.view.hasRoomForSlot(newVolumeKey.size()))
        return failSlot(ErrorCode::NoSpace, slot,
                        "the header of " + path + " has no room for " + slotName(slot),
                        "Remove a key slot first.");
    VC_TRY(checkUnderstood(header));
    VC_ASSIGN(const CryptDevice library, loadHeader(path));
    VC_TRY(understoodAlike(library.get(), header.metadata));
    VC_TRY(applyCost(library.get(), cost));
    VC_ASSIGN(const base::UniqueFd turn, awaitKdfTurn(memoryKiBOf(cost)));
    // The first slot makes the digest of the new key, the others belong to it.
    const bool first =
        std::ranges::none_of(header.view.digests, [](const model::DigestView &digest) {
            return !digest.coversData && !digest.slots.empty();
        });
    std::uint32_t flags = CRYPT_VOLUME_KEY_NO_SEGMENT;
    if (!first) flags |= CRYPT_VOLUME_KEY_DIGEST_REUSE;
    int result =
        ::crypt_keyslot_set_encryption(library.get(), model::kUsualCipher.data(), kAreaKeyBytes);
    if (result >= 0)
        result = ::crypt_keyslot_add_by_key(library.get(), static_cast<int>(slot),
                                            newVolumeKey.chars(), newVolumeKey.size(),
                                            passphrase.chars(), passphrase.size(), flags);
    if (result < 0)
        return base::fail(
            libraryError("add " + slotName(slot) + " of " + path, result).withSlot(slot));
    return {};
}

}  // namespace volumecrypt::luks

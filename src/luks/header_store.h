// SPDX-License-Identifier: Apache-2.0
// The LUKS2 header of one volume as a store of key slots and tokens: the port behind which sync
// works.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

inline std::string slotName(unsigned slot) {
    return "key slot " + std::to_string(slot);
}

// An error about one key slot.
inline tl::unexpected<base::Error> failSlot(base::ErrorCode code, unsigned slot,
                                            std::string message, std::string hint = {}) {
    return base::fail(base::Error(code, std::move(message), std::move(hint)).withSlot(slot));
}

// How much a key slot's KDF shall cost. Library: libcryptsetup's default (argon2id, benchmarked),
// for what people and firmware choose. Minimal: argon2id with 4 passes, 32 KiB, 1 lane, for 256-bit
// random keys.
enum class KdfCost { Library, Minimal };

// Owns nothing but its access to the device; the caller holds the volume's lock. Every method works
// on the header as it is on the device at that moment (it is opened afresh), and every change is on
// the device, in both copies, when the method returns. One process, one thread.
class HeaderStore {
  public:
    HeaderStore() = default;
    virtual ~HeaderStore() = default;
    HeaderStore(const HeaderStore &) = delete;
    HeaderStore &operator=(const HeaderStore &) = delete;
    HeaderStore(HeaderStore &&) = delete;
    HeaderStore &operator=(HeaderStore &&) = delete;

    // NotLuks2, HeaderCorrupt, Io.
    virtual base::Result<model::HeaderView> view() = 0;

    // The volume key, by one run of the slot's KDF. KeyRejected when the passphrase does not open
    // the slot, NotFound when the slot is empty, HeaderRefused when its KDF asks for too much (half
    // of RAM, a minute).
    virtual base::Result<base::SecretBuffer> openSlot(unsigned slot,
                                                      const base::SecretBuffer &passphrase) = 0;

    // Adds a key to an empty slot. SlotInUse, NoSpace (no room for the key slot area or metadata),
    // Io.
    virtual base::Status addSlot(unsigned slot, const base::SecretBuffer &volumeKey,
                                 const base::SecretBuffer &passphrase, KdfCost cost) = 0;
    // Destroys a slot's key material and its entry; an empty slot is success. Does not ask whether
    // another key is left: that is the caller's duty.
    virtual base::Status destroySlot(unsigned slot) = 0;

    // Writes token `id`, replacing what is there. NoSpace, Io.
    virtual base::Status setToken(unsigned id, const std::string &json) = 0;
    virtual base::Status removeToken(unsigned id) = 0;

    // SHA-256 (32 bytes) of the slot's canonical JSON followed by the bytes of its key slot area.
    // NotFound, Io.
    virtual base::Result<std::string> slotDigest(unsigned slot) = 0;
};

// `path`: a block device or a plain file.
std::unique_ptr<HeaderStore> openHeaderStore(const std::string &path);

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// The one activation that is not from a checked copy: libcryptsetup must see what a reencryption
// writes. So what it made of the header is looked at afterwards.
#include <algorithm>
#include <cstdint>

#include <sys/stat.h>

#include "luks/device_mapper.h"
#include "luks/header_copy.h"
#include "luks/header_read.h"
#include "luks/header_validation.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "luks/mapping.h"
#include "luks/reencryption.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// As many parts as the header has, each of them encrypted, and nothing but this device below.
base::Status compareWithMapping(const std::string &path, const std::string &name,
                                const model::Reencryption &reencryption) {
    struct stat info {};
    VC_ASSIGN(const auto mapped, findDmDevice(name));
    bool same = mapped && ::stat(path.c_str(), &info) == 0 && mapped->backing.size() == 1 &&
                mapped->backing.front() == info.st_rdev &&
                mapped->targets.size() == reencryption.live.size();
    for (std::size_t i = 0; same && i < reencryption.live.size(); ++i)
        same = mapped->targets[i] == reencryption.live[i].type;
    if (same) return {};
    (void)removeDmDevice(name, false);
    return base::fail(ErrorCode::HeaderCorrupt,
                      "libcryptsetup mapped " + path + " otherwise than its header says",
                      "Somebody may have tampered with the disk.");
}

}  // namespace

base::Status activateInFlight(const std::string &path, const std::string &name,
                              const base::SecretBuffer &passphrase,
                              const ActivationOptions &options) {
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path));
    VC_TRY(validateHeaderInFlight(header.view));
    const auto &reencryption = header.view.reencryption;
    if (!reencryption || reencryption->phase != model::ReencryptionPhase::Clean)
        return base::fail(ErrorCode::HeaderRefused,
                          "the reencryption of " + path + " is not at a safe point");
    // Of a slot that is named libcryptsetup wants that it holds both volume keys: so it tries all.
    std::uint64_t memory = 0;
    for (const auto &[number, slot] : header.view.slots) {
        if (number == reencryption->slot) continue;
        VC_TRY(validateKdfCost(slot, ramKiB()));
        memory = std::max(memory, slot.kdf.memoryKiB);
    }
    VC_TRY(checkUnderstood(header));
    VC_ASSIGN(const CryptDevice library, loadHeader(path));
    VC_TRY(understoodAlike(library.get(), header.metadata));
    VC_ASSIGN(const base::UniqueFd turn, awaitKdfTurn(memory));
    const int result = ::crypt_activate_by_passphrase(library.get(), name.c_str(), CRYPT_ANY_SLOT,
                                                      passphrase.chars(), passphrase.size(),
                                                      activationFlags(options));
    if (result < 0) return base::fail(libraryError("map " + path + " as " + name, result));
    return compareWithMapping(path, name, *reencryption);
}

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Opens key slots in the memfd that the header was checked in, and repairs copies on the device.
#include "luks/header_copy.h"

#include <cerrno>

#include "crypto/digest.h"
#include "luks/header_image.h"
#include "luks/header_read.h"
#include "luks/header_store.h"
#include "luks/header_validation.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "luks/new_volume_key.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

tl::unexpected<base::Error> rejected(unsigned slot, const std::string &why) {
    return failSlot(ErrorCode::KeyRejected, slot, slotName(slot) + " " + why);
}

}  // namespace

base::Result<HeaderCopy> copyHeader(const std::string &path) {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path));
    VC_TRY(validateHeader(header.view));
    return makeCopy(std::move(header));
}

base::Result<HeaderCopy> copyHeaderInFlight(const std::string &path) {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path));
    VC_TRY(validateHeaderInFlight(header.view));
    return makeCopy(std::move(header));
}

base::Status repairHeader(const std::string &path) {
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path));
    if (!header.metadata.needsRepair()) return {};
    VC_TRY(validateHeader(header.view));
    VC_TRY(checkUnderstood(header));
    // Reading it is enough: libcryptsetup writes the other copy anew.
    VC_ASSIGN(const CryptDevice library, loadHeader(path));
    VC_TRY(understoodAlike(library.get(), header.metadata));
    VC_ASSIGN(const Metadata repaired, readMetadata(header.device.get()));
    if (repaired.needsRepair())
        return base::fail(ErrorCode::Io, "the damaged copy of the header of " + path +
                                             " could not be written anew");
    return {};
}

base::Result<const model::SlotView *> findSlot(const model::HeaderView &view, unsigned slot) {
    const auto found = view.slots.find(slot);
    if (found == view.slots.end())
        return failSlot(ErrorCode::NotFound, slot, slotName(slot) + " is empty");
    return &found->second;
}

base::Result<base::SecretBuffer> openSlot(const HeaderCopy &copy, unsigned slot,
                                          const base::SecretBuffer &passphrase) {
    VC_ASSIGN(const model::SlotView *entry, findSlot(copy.view, slot));
    if (entry->unbound) return rejected(slot, "holds another key than the volume's");
    return openAnySlot(copy, slot, passphrase);
}

base::Result<base::SecretBuffer> openAnySlot(const HeaderCopy &copy, unsigned slot,
                                             const base::SecretBuffer &passphrase) {
    VC_ASSIGN(const model::SlotView *entry, findSlot(copy.view, slot));
    if (passphrase.empty()) return rejected(slot, "is not opened by an empty passphrase");
    VC_TRY(validateKdfCost(*entry, ramKiB()));
    // Only now: most slots are never opened, and their areas are what is large in a header.
    VC_TRY(copyIn(copy.memory.get(), copy.device.get(), entry->areaOffset, entry->areaSize,
                  "a key slot area"));
    VC_ASSIGN(const base::UniqueFd turn, awaitKdfTurn(entry->kdf.memoryKiB));
    base::SecretBuffer key(entry->keyBits / 8);
    std::size_t size = key.size();
    const int result =
        ::crypt_volume_key_get(copy.library.get(), static_cast<int>(slot), key.chars(), &size,
                               passphrase.chars(), passphrase.size());
    if (result == -EPERM) return rejected(slot, "is not opened by this passphrase");
    if (result < 0)
        return base::fail(libraryError("open " + slotName(slot), result).withSlot(slot));
    key.truncate(size);
    return key;
}

base::Result<std::string> slotDigestOf(int fd, const model::HeaderView &view, unsigned slot) {
    VC_ASSIGN(const model::SlotView *entry, findSlot(view, slot));
    return crypto::sha256OfRange(entry->json, fd, entry->areaOffset, entry->areaSize);
}

base::Result<std::string> slotDigest(const HeaderCopy &copy, unsigned slot) {
    return slotDigestOf(copy.device.get(), copy.view, slot);
}

}  // namespace volumecrypt::luks

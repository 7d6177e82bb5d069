// SPDX-License-Identifier: Apache-2.0
// Opening a key slot of a header copy.
#include <cerrno>

#include <unistd.h>

#include "luks/header_copy.h"
#include "luks/header_image.h"
#include "luks/header_read.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "luks/slot_error.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

std::uint64_t ramKiB() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long pageSize = ::sysconf(_SC_PAGESIZE);
    if (pages <= 0 || pageSize <= 0) return 0;
    return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(pageSize) / 1024;
}

tl::unexpected<base::Error> rejected(unsigned slot, const std::string &why) {
    return failSlot(ErrorCode::KeyRejected, slot, slotName(slot) + " " + why);
}

}  // namespace

base::Result<base::SecretBuffer> openSlot(const HeaderCopy &copy, unsigned slot,
                                          const base::SecretBuffer &passphrase) {
    VC_ASSIGN(const model::SlotView *entry, findSlot(copy.view, slot));
    if (entry->unbound) return rejected(slot, "holds another key than the volume's");
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

}  // namespace volumecrypt::luks

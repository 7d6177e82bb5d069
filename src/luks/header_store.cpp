// SPDX-License-Identifier: Apache-2.0
// HeaderStore over libcryptsetup, on a block device or a plain file.
#include "luks/header_store.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "luks/header_json.h"
#include "luks/header_read.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "luks/slot_error.h"
#include "model/key_spec.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// Whatever the data is encrypted with: every machine can do it, also without the kernel's help.
constexpr const char *kSlotCipher = "aes-xts-plain64";
constexpr std::size_t kSlotKeyBytes = 64;
constexpr std::uint64_t kStripes = 4000;
constexpr std::uint64_t kAreaUnit = 4096;

base::Status checkNumber(unsigned number, const char *what) {
    if (number < model::kSlotCount) return {};
    return base::fail(ErrorCode::Internal,
                      std::string(what) + " " + std::to_string(number) + " does not exist");
}

// Whether libcryptsetup will find room for another area: it only says "invalid" when it does not.
bool roomForArea(const model::HeaderView &view, std::uint64_t keyBytes) {
    const std::uint64_t needed = (keyBytes * kStripes + kAreaUnit - 1) / kAreaUnit * kAreaUnit;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> areas;
    for (const auto &[number, slot] : view.slots)
        areas.emplace_back(slot.areaOffset, slot.areaSize);
    std::ranges::sort(areas);
    std::uint64_t free = 2 * view.metadataSize;
    for (const auto &[offset, size] : areas) {
        if (free + needed <= offset) return true;
        free = offset + size;
    }
    return free + needed <= 2 * view.metadataSize + view.keyslotsSize;
}

class CryptsetupHeaderStore : public HeaderStore {
  public:
    explicit CryptsetupHeaderStore(std::string path) : path_(std::move(path)) {}

    base::Result<model::HeaderView> view() override;
    base::Result<base::SecretBuffer> openSlot(unsigned slot,
                                              const base::SecretBuffer &passphrase) override;
    base::Status addSlot(unsigned slot, const base::SecretBuffer &volumeKey,
                         const base::SecretBuffer &passphrase, KdfCost cost) override;
    base::Status destroySlot(unsigned slot) override;
    base::Status setToken(unsigned id, const std::string &json) override;
    base::Status removeToken(unsigned id) override;
    base::Result<std::string> slotDigest(unsigned slot) override;

  private:
    // The header on the device, validated; libcryptsetup must not see another one.
    base::Result<DeviceHeader> readValid() const;
    // libcryptsetup's handle for changing what `header` was read from.
    base::Result<CryptDevice> openForChange(const DeviceHeader &header) const;
    // As libraryError, naming the device.
    base::Error error(const std::string &what, int result, ErrorCode invalid = ErrorCode::Io) const;

    std::string path_;
};

base::Result<DeviceHeader> CryptsetupHeaderStore::readValid() const {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path_));
    VC_TRY(validateHeader(header.view));
    return header;
}

base::Result<CryptDevice> CryptsetupHeaderStore::openForChange(const DeviceHeader &header) const {
    // On the device libcryptsetup falls back to an older copy of the header, and writes it over the
    // newer one, when it cannot use that: let it read the newer one alone first.
    VC_TRY(makeCopy(header, {}));
    VC_ASSIGN(CryptDevice library, loadHeader(path_));
    // The disk may answer differently each time it is asked.
    VC_TRY(understoodAlike(library.get(), header.metadata));
    return library;
}

base::Error CryptsetupHeaderStore::error(const std::string &what, int result,
                                         ErrorCode invalid) const {
    return libraryError(what + " of " + path_, result, invalid);
}

base::Result<model::HeaderView> CryptsetupHeaderStore::view() {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path_));
    return std::move(header.view);
}

base::Result<base::SecretBuffer> CryptsetupHeaderStore::openSlot(
    unsigned slot, const base::SecretBuffer &passphrase) {
    VC_ASSIGN(const DeviceHeader header, readValid());
    VC_TRY(findSlot(header.view, slot));
    VC_ASSIGN(const HeaderCopy copy, makeCopy(header, {slot}));
    return luks::openSlot(copy, slot, passphrase);
}

base::Status CryptsetupHeaderStore::addSlot(unsigned slot, const base::SecretBuffer &volumeKey,
                                            const base::SecretBuffer &passphrase, KdfCost cost) {
    VC_TRY(checkNumber(slot, "key slot"));
    if (passphrase.empty())
        return base::fail(ErrorCode::Internal, "an empty passphrase for " + slotName(slot));
    VC_ASSIGN(const DeviceHeader header, readValid());
    if (header.view.slots.contains(slot))
        return failSlot(ErrorCode::SlotInUse, slot, slotName(slot) + " of " + path_ + " is in use");
    if (!roomForArea(header.view, volumeKey.size()))
        return failSlot(ErrorCode::NoSpace, slot,
                        "the header of " + path_ + " has no room for " + slotName(slot),
                        "Remove a key slot first.");
    VC_ASSIGN(const CryptDevice library, openForChange(header));
    VC_TRY(applyCost(library.get(), cost));
    int result = ::crypt_keyslot_set_encryption(library.get(), kSlotCipher, kSlotKeyBytes);
    if (result >= 0)
        result = ::crypt_keyslot_add_by_volume_key(library.get(), static_cast<int>(slot),
                                                   volumeKey.chars(), volumeKey.size(),
                                                   passphrase.chars(), passphrase.size());
    if (result < 0) return base::fail(error("add " + slotName(slot), result).withSlot(slot));
    return {};
}

base::Status CryptsetupHeaderStore::destroySlot(unsigned slot) {
    VC_TRY(checkNumber(slot, "key slot"));
    VC_ASSIGN(const DeviceHeader header, readValid());
    if (!header.view.slots.contains(slot)) return {};
    VC_ASSIGN(const CryptDevice library, openForChange(header));
    const int result = ::crypt_keyslot_destroy(library.get(), static_cast<int>(slot));
    if (result < 0) return base::fail(error("destroy " + slotName(slot), result).withSlot(slot));
    return {};
}

base::Status CryptsetupHeaderStore::setToken(unsigned id, const std::string &json) {
    VC_TRY(checkNumber(id, "token"));
    auto wanted = parseHeaderJson(json);
    if (!wanted)
        return base::fail(ErrorCode::Internal,
                          "token " + std::to_string(id) + " would not be a JSON object");
    VC_ASSIGN(const DeviceHeader header, readValid());
    const auto present = header.view.tokens.find(id);
    if (present != header.view.tokens.end() && present->second.json == canonicalJson(*wanted))
        return {};
    VC_ASSIGN(const CryptDevice library, openForChange(header));
    const int result = ::crypt_token_json_set(library.get(), static_cast<int>(id), json.c_str());
    // "Invalid": it has no type, or names a key slot that is not there.
    if (result < 0)
        return base::fail(error("write token " + std::to_string(id), result, ErrorCode::Internal));
    return {};
}

base::Status CryptsetupHeaderStore::removeToken(unsigned id) {
    VC_TRY(checkNumber(id, "token"));
    VC_ASSIGN(const DeviceHeader header, readValid());
    if (!header.view.tokens.contains(id)) return {};
    VC_ASSIGN(const CryptDevice library, openForChange(header));
    const int result = ::crypt_token_json_set(library.get(), static_cast<int>(id), nullptr);
    if (result < 0) return base::fail(error("remove token " + std::to_string(id), result));
    return {};
}

base::Result<std::string> CryptsetupHeaderStore::slotDigest(unsigned slot) {
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path_));
    return slotDigestOf(header.device.get(), header.view, slot);
}

}  // namespace

std::unique_ptr<HeaderStore> openHeaderStore(const std::string &path) {
    return std::make_unique<CryptsetupHeaderStore>(path);
}

}  // namespace volumecrypt::luks

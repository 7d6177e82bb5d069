// SPDX-License-Identifier: Apache-2.0
// HeaderStore over libcryptsetup, on a block device or a plain file.
#include "luks/header_store.h"

#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "luks/header_json.h"
#include "luks/header_read.h"
#include "luks/header_validation.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "model/key_spec.h"
#include "model/volume_spec.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// Whatever the data is encrypted with: every machine can do it, also without the kernel's help.
constexpr std::string_view kSlotCipher = model::kUsualCipher;
constexpr std::size_t kSlotKeyBytes = 64;
// Somebody's cryptsetup at the same header is done in an instant; each time it comes in between, we
// begin again with what it left.
constexpr int kAttempts = 10;
constexpr std::chrono::milliseconds kPause(20);

base::Status checkNumber(unsigned number, const char *what) {
    if (number < model::kSlotCount) return {};
    return base::fail(ErrorCode::Internal,
                      std::string(what) + " " + std::to_string(number) + " does not exist");
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
    using Edit = std::function<base::Status(const DeviceHeader &)>;

    // The header on the device, validated; libcryptsetup must not see another one.
    base::Result<DeviceHeader> readValid() const;
    // Runs `edit` on the header as it is, and again when somebody else changed it meanwhile. Busy
    // when that does not end.
    base::Status change(const Edit &edit) const;
    // libcryptsetup's handle for changing what `header` was read from.
    base::Result<CryptDevice> openForChange(const DeviceHeader &header) const;
    // Whether the device has another header now. libcryptsetup compares as well, under its lock,
    // before it writes: a change of somebody else makes it say "invalid".
    [[nodiscard]] bool changedSince(const DeviceHeader &header) const;
    // What libcryptsetup's result means for a change of `header`, naming the device.
    base::Error error(const DeviceHeader &header, const std::string &what, int result,
                      ErrorCode invalid = ErrorCode::Io) const;
    base::Status add(const DeviceHeader &header, unsigned slot, const base::SecretBuffer &volumeKey,
                     const base::SecretBuffer &passphrase, KdfCost cost) const;

    std::string path_;
};

base::Result<DeviceHeader> CryptsetupHeaderStore::readValid() const {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path_));
    VC_TRY(validateHeader(header.view));
    return header;
}

base::Error changedMeanwhile(const std::string &path) {
    return base::Error(ErrorCode::Busy,
                       "the header of " + path + " was changed by somebody else at the same time",
                       "Try again when the other program is done.")
        .withRetry();
}

base::Status CryptsetupHeaderStore::change(const Edit &edit) const {
    for (int attempt = 1;; ++attempt) {
        VC_ASSIGN(const DeviceHeader header, readValid());
        auto done = edit(header);
        if (done || done.error().code != ErrorCode::Busy || attempt == kAttempts) return done;
        std::this_thread::sleep_for(kPause);
    }
}

bool CryptsetupHeaderStore::changedSince(const DeviceHeader &header) const {
    const auto now = readDeviceHeader(path_);
    return now &&
           now->metadata.current().binary.sequence != header.metadata.current().binary.sequence;
}

base::Result<CryptDevice> CryptsetupHeaderStore::openForChange(const DeviceHeader &header) const {
    // On the device libcryptsetup falls back to an older copy of the header, and writes it over the
    // newer one, when it cannot use that: let it read the newer one alone first.
    VC_TRY(checkUnderstood(header));
    VC_ASSIGN(CryptDevice library, loadHeader(path_));
    // The disk may answer differently each time it is asked.
    if (auto alike = understoodAlike(library.get(), header.metadata); !alike) {
        if (changedSince(header)) return base::fail(changedMeanwhile(path_));
        return base::fail(std::move(alike).error());
    }
    return library;
}

base::Error CryptsetupHeaderStore::error(const DeviceHeader &header, const std::string &what,
                                         int result, ErrorCode invalid) const {
    base::Error found = libraryError(what + " of " + path_, result, invalid);
    return result == -EINVAL && changedSince(header) ? changedMeanwhile(path_) : found;
}

base::Result<model::HeaderView> CryptsetupHeaderStore::view() {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path_));
    return std::move(header.view);
}

base::Result<base::SecretBuffer> CryptsetupHeaderStore::openSlot(
    unsigned slot, const base::SecretBuffer &passphrase) {
    VC_ASSIGN(DeviceHeader header, readValid());
    VC_TRY(findSlot(header.view, slot));
    VC_ASSIGN(const HeaderCopy copy, makeCopy(std::move(header)));
    return luks::openSlot(copy, slot, passphrase);
}

base::Status CryptsetupHeaderStore::addSlot(unsigned slot, const base::SecretBuffer &volumeKey,
                                            const base::SecretBuffer &passphrase, KdfCost cost) {
    VC_TRY(checkNumber(slot, "key slot"));
    if (passphrase.empty())
        return base::fail(ErrorCode::Internal, "an empty passphrase for " + slotName(slot));
    return change(
        [&](const DeviceHeader &header) { return add(header, slot, volumeKey, passphrase, cost); });
}

base::Status CryptsetupHeaderStore::add(const DeviceHeader &header, unsigned slot,
                                        const base::SecretBuffer &volumeKey,
                                        const base::SecretBuffer &passphrase, KdfCost cost) const {
    if (header.view.slots.contains(slot))
        return failSlot(ErrorCode::SlotInUse, slot, slotName(slot) + " of " + path_ + " is in use");
    if (!header.view.hasRoomForSlot(volumeKey.size()))
        return failSlot(ErrorCode::NoSpace, slot,
                        "the header of " + path_ + " has no room for " + slotName(slot),
                        "Remove a key slot first.");
    VC_ASSIGN(const CryptDevice library, openForChange(header));
    VC_TRY(applyCost(library.get(), cost));
    VC_ASSIGN(const base::UniqueFd turn, awaitKdfTurn(memoryKiBOf(cost)));
    int result = ::crypt_keyslot_set_encryption(library.get(), kSlotCipher.data(), kSlotKeyBytes);
    if (result >= 0)
        result = ::crypt_keyslot_add_by_volume_key(library.get(), static_cast<int>(slot),
                                                   volumeKey.chars(), volumeKey.size(),
                                                   passphrase.chars(), passphrase.size());
    if (result < 0)
        return base::fail(error(header, "add " + slotName(slot), result).withSlot(slot));
    return {};
}

base::Status CryptsetupHeaderStore::destroySlot(unsigned slot) {
    VC_TRY(checkNumber(slot, "key slot"));
    return change([&](const DeviceHeader &header) -> base::Status {
        if (!header.view.slots.contains(slot)) return {};
        VC_ASSIGN(const CryptDevice library, openForChange(header));
        const int result = ::crypt_keyslot_destroy(library.get(), static_cast<int>(slot));
        if (result < 0)
            return base::fail(error(header, "destroy " + slotName(slot), result).withSlot(slot));
        return {};
    });
}

base::Status CryptsetupHeaderStore::setToken(unsigned id, const std::string &json) {
    VC_TRY(checkNumber(id, "token"));
    auto wanted = parseHeaderJson(json);
    if (!wanted)
        return base::fail(ErrorCode::Internal,
                          "token " + std::to_string(id) + " would not be a JSON object");
    return change([&](const DeviceHeader &header) -> base::Status {
        const auto present = header.view.tokens.find(id);
        if (present != header.view.tokens.end() && present->second.json == canonicalJson(*wanted))
            return {};
        VC_ASSIGN(const CryptDevice library, openForChange(header));
        const int result =
            ::crypt_token_json_set(library.get(), static_cast<int>(id), json.c_str());
        // "Invalid": it has no type, or names a key slot that is not there.
        if (result < 0)
            return base::fail(
                error(header, "write token " + std::to_string(id), result, ErrorCode::Internal));
        return {};
    });
}

base::Status CryptsetupHeaderStore::removeToken(unsigned id) {
    VC_TRY(checkNumber(id, "token"));
    return change([&](const DeviceHeader &header) -> base::Status {
        if (!header.view.tokens.contains(id)) return {};
        VC_ASSIGN(const CryptDevice library, openForChange(header));
        const int result = ::crypt_token_json_set(library.get(), static_cast<int>(id), nullptr);
        if (result < 0)
            return base::fail(error(header, "remove token " + std::to_string(id), result));
        return {};
    });
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

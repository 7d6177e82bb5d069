// SPDX-License-Identifier: Apache-2.0
// Activation through libcryptsetup from a header copy, the rest through device-mapper.
#include "luks/mapping.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include "luks/device_mapper.h"
#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

constexpr std::string_view kUuidPrefix = "CRYPT-LUKS2-";

// "CRYPT-LUKS2-<32 hexadecimal digits>-<name>", as libcryptsetup makes it; empty for another one.
std::string luksUuid(std::string_view dmUuid) {
    constexpr std::size_t kDigits = 32;
    if (!dmUuid.starts_with(kUuidPrefix)) return {};
    const std::string_view digits = dmUuid.substr(kUuidPrefix.size(), kDigits);
    if (digits.size() != kDigits ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
        return {};
    if (dmUuid.substr(kUuidPrefix.size() + kDigits, 1) != "-") return {};
    std::string uuid(digits);
    for (const std::size_t at : {8U, 13U, 18U, 23U}) uuid.insert(at, 1, '-');
    return uuid;
}

base::Error activationError(int result, const std::string &device, const std::string &name) {
    base::Error error = libraryError("map " + device + " as " + name, result);
    if (result == -EPERM || result == -ENOENT) {
        error.code = ErrorCode::KeyRejected;
        error.message = "this is not the volume key of " + device;
    }
    if (result == -EEXIST) {
        error.message = "there is a mapping " + name + " already";
        error.hint = "See `dmsetup info " + name + "`.";
    }
    if (result == -EBUSY) {
        error.message = device + " is in use";
        error.hint = "See what holds it with `lsblk " + device + "`.";
    }
    return error;
}

// The copy's handle for what has to do with the data: it is loaded already.
base::Result<crypt_device *> withData(const HeaderCopy &copy, const std::string &device) {
    const int result = ::crypt_set_data_device(copy.library.get(), device.c_str());
    if (result < 0) return base::fail(libraryError("open " + device, result));
    return copy.library.get();
}

}  // namespace

std::uint32_t activationFlags(const ActivationOptions &options) {
    // Flags in the header are anybody's; only what is declared counts.
    std::uint32_t flags = CRYPT_ACTIVATE_IGNORE_PERSISTENT;
    if (options.allowDiscards) flags |= CRYPT_ACTIVATE_ALLOW_DISCARDS;
    for (const model::PerformanceOption option : options.performance) {
        switch (option) {
            case model::PerformanceOption::NoReadWorkqueue:
                flags |= CRYPT_ACTIVATE_NO_READ_WORKQUEUE;
                break;
            case model::PerformanceOption::NoWriteWorkqueue:
                flags |= CRYPT_ACTIVATE_NO_WRITE_WORKQUEUE;
                break;
            case model::PerformanceOption::SameCpuCrypt:
                flags |= CRYPT_ACTIVATE_SAME_CPU_CRYPT;
                break;
        }
    }
    return flags;
}

base::Result<std::optional<MappingInfo>> findMapping(const std::string &name) {
    VC_ASSIGN(const std::optional<DmDevice> device, findDmDevice(name));
    if (!device) return std::optional<MappingInfo>();
    MappingInfo info;
    info.uuid = luksUuid(device->uuid);
    // What is not encrypted yet of a volume whose encryption is in flight is linear.
    const bool mayBeLinear = !info.uuid.empty();
    info.isCrypt = !device->targets.empty() &&
                   std::ranges::all_of(device->targets, [mayBeLinear](const std::string &type) {
                       return type == "crypt" || (mayBeLinear && type == "linear");
                   });
    info.inUse = device->openCount != 0;
    if (device->backing.size() == 1) info.backingDevice = device->backing.front();
    return std::optional<MappingInfo>(std::move(info));
}

base::Status activate(const HeaderCopy &copy, const std::string &device, const std::string &name,
                      const base::SecretBuffer &volumeKey, const ActivationOptions &options) {
    VC_ASSIGN(crypt_device *const library, withData(copy, device));
    const int result = ::crypt_activate_by_volume_key(library, name.c_str(), volumeKey.chars(),
                                                      volumeKey.size(), activationFlags(options));
    if (result < 0) return base::fail(activationError(result, device, name));
    return {};
}

base::Status deactivate(const std::string &name, bool deferred) {
    auto removed = removeDmDevice(name, deferred);
    if (removed || removed.error().code == ErrorCode::NotFound) return {};
    if (removed.error().code != ErrorCode::Busy) return removed;
    return base::fail(ErrorCode::Busy, "the mapping " + name + " is in use",
                      "Unmount what is on /dev/mapper/" + name + "; `lsblk` and `fuser` show it.");
}

base::Status resize(const std::string &name, const HeaderCopy &copy, const std::string &device,
                    const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(crypt_device *const library, withData(copy, device));
    crypt_active_device active{};
    int result = ::crypt_get_active_device(library, name.c_str(), &active);
    if (result < 0)
        return base::fail(libraryError("look at the mapping " + name, result, ErrorCode::NotFound));
    // A table that names a key of the kernel's keyring is loaded anew by one that does too: the key
    // must be there again.
    const std::uint32_t keyring = active.flags & CRYPT_ACTIVATE_KEYRING_KEY;
    result = ::crypt_activate_by_volume_key(library, nullptr, volumeKey.chars(), volumeKey.size(),
                                            keyring);
    if (result < 0) return base::fail(activationError(result, device, name));
    result = ::crypt_resize(library, name.c_str(), 0);
    if (result < 0) return base::fail(libraryError("grow the mapping " + name, result));
    return {};
}

}  // namespace volumecrypt::luks

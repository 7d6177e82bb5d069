// SPDX-License-Identifier: Apache-2.0
// Lets libcryptsetup begin an encryption on a memfd as large as the device.
#include "luks/encryption_begin.h"

#include <cerrno>

#include <unistd.h>

#include "luks/encryption_marker.h"
#include "luks/header_store.h"
#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

// libcryptsetup would move the first segment itself, in one write that it does not flush. All that
// its header depends on is the size.
base::Result<base::UniqueFd> standIn(std::uint64_t size) {
    VC_ASSIGN(base::UniqueFd memory, base::makeMemfd("volumecrypt-stand-in"));
    if (::ftruncate(memory.get(), static_cast<off_t>(size)) < 0)
        return base::fail(base::errnoError("stand in for the device", errno));
    return memory;
}

base::Result<CryptDevice> loadBoth(const std::string &header, const std::string &data) {
    VC_ASSIGN(CryptDevice device, openDevice(header, data));
    const int result = ::crypt_load(device.get(), CRYPT_LUKS2, nullptr);
    if (result < 0) return base::fail(libraryError("read the header in memory", result));
    return device;
}

}  // namespace

base::Status beginEncryption(const NewHeader &header, const FormatParameters &parameters,
                             unsigned slot, const base::SecretBuffer &passphrase) {
    VC_ASSIGN(const base::UniqueFd data, standIn(parameters.deviceSize));
    VC_ASSIGN(const CryptDevice library,
              loadBoth(memoryPath(header.memory.get()), memoryPath(data.get())));
    const std::size_t dash = parameters.cipher.find('-');
    crypt_params_luks2 luks2{};
    luks2.sector_size = parameters.sectorSize;
    crypt_params_reencrypt how{};
    how.mode = CRYPT_REENCRYPT_ENCRYPT;
    how.direction = CRYPT_REENCRYPT_BACKWARD;
    how.resilience = "datashift";
    how.hash = "sha256";
    how.data_shift = kDataShift / 512;
    how.luks2 = &luks2;
    how.flags = CRYPT_REENCRYPT_INITIALIZE_ONLY | CRYPT_REENCRYPT_MOVE_FIRST_SEGMENT;
    const int result = ::crypt_reencrypt_init_by_passphrase(
        library.get(), nullptr, passphrase.chars(), passphrase.size(), CRYPT_ANY_SLOT,
        static_cast<int>(slot), parameters.cipher.substr(0, dash).c_str(),
        parameters.cipher.substr(dash + 1).c_str(), &how);
    if (result < 0) return base::fail(libraryError("begin the encryption", result));
    return {};
}

}  // namespace volumecrypt::luks

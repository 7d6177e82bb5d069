// SPDX-License-Identifier: Apache-2.0
// Makes a new header by having libcryptsetup format a memfd.
#include "luks/header_build.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "luks/kdf_cost.h"
#include "luks/library.h"
#include "luks/new_volume_key.h"
#include "model/volume_spec.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

base::Status checkParameters(const FormatParameters &parameters) {
    const model::Cipher *cipher = model::findCipher(parameters.cipher);
    if (cipher == nullptr)
        return base::fail(ErrorCode::Unsupported, "the cipher " + parameters.cipher +
                                                      " is not one of " + model::cipherNames());
    if (!cipher->allows(parameters.keyBits))
        return base::fail(ErrorCode::Unsupported, parameters.cipher + " has no keys of " +
                                                      std::to_string(parameters.keyBits) + " bits");
    const unsigned sector = parameters.sectorSize;
    if (sector < 512 || sector > 4096 || (sector & (sector - 1)) != 0)
        return base::fail(ErrorCode::Unsupported,
                          "sectors of " + std::to_string(sector) + " bytes");
    if (parameters.deviceSize < kDataOffset + sector)
        return base::fail(ErrorCode::NoSpace,
                          "a device of " + std::to_string(parameters.deviceSize) +
                              " bytes is too small: the header alone takes 16 MiB");
    if (parameters.deviceSize % sector != 0)
        return base::fail(ErrorCode::Unsupported,
                          "a device of " + std::to_string(parameters.deviceSize) +
                              " bytes cannot have sectors of " + std::to_string(sector) + " bytes");
    return {};
}

base::Result<base::UniqueFd> emptyHeader() {
    VC_ASSIGN(base::UniqueFd memory, base::makeMemfd("volumecrypt-new-header"));
    // Room behind the header: libcryptsetup formats nothing that has no room for data.
    if (::ftruncate(memory.get(), static_cast<off_t>(kDataOffset + kAlignment)) < 0)
        return base::fail(base::errnoError("make room for a header", errno));
    return memory;
}

base::Status formatMemory(const std::string &path, const FormatParameters &parameters,
                          const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const CryptDevice library, openDevice(path));
    // "xchacha12,aes-adiantum-plain64" is the cipher "xchacha12,aes" in the mode
    // "adiantum-plain64".
    const std::size_t dash = parameters.cipher.find('-');
    const std::string cipher = parameters.cipher.substr(0, dash);
    const std::string mode = parameters.cipher.substr(dash + 1);
    crypt_params_luks2 luks2{};
    luks2.sector_size = parameters.sectorSize;
    luks2.data_alignment = static_cast<std::uint32_t>(kAlignment / 512);

    int result = ::crypt_set_metadata_size(library.get(), kMetadataSize, parameters.keyslotsSize);
    if (result >= 0) result = ::crypt_set_data_offset(library.get(), kDataOffset / 512);
    if (result < 0) return base::fail(libraryError("lay out a LUKS2 header", result));
    // The digest recognises a random key of 256 bits or more: it needs no costly KDF, and every
    // unlocking runs it twice.
    VC_TRY(applyCost(library.get(), KdfCost::Minimal));
    result = ::crypt_format(library.get(), CRYPT_LUKS2, cipher.c_str(), mode.c_str(), nullptr,
                            volumeKey.chars(), volumeKey.size(), &luks2);
    if (result < 0) {
        base::Error error = libraryError("make a LUKS2 header with " + parameters.cipher, result,
                                         ErrorCode::Unsupported);
        if (error.code == ErrorCode::NotFound) error.code = ErrorCode::Unsupported;
        return base::fail(std::move(error));
    }
    return {};
}

}  // namespace

base::Result<NewHeader> buildHeader(const FormatParameters &parameters) {
    VC_TRY(checkParameters(parameters));
    NewHeader header;
    VC_ASSIGN(header.volumeKey, makeVolumeKey(parameters.keyBits / 8));
    VC_ASSIGN(header.memory, emptyHeader());
    const std::string path = memoryPath(header.memory.get());
    VC_TRY(formatMemory(path, parameters, header.volumeKey));
    // libcryptsetup fills the empty key slot areas with random bytes: 16 MiB that would have to be
    // written, and that hide nothing, since the JSON says which slots are in use.
    const auto areas = static_cast<off_t>(2 * kMetadataSize);
    if (::fallocate(header.memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, areas,
                    static_cast<off_t>(kDataOffset) - areas) < 0)
        return base::fail(base::errnoError("clear the key slot areas", errno));
    header.store = openHeaderStore(path);
    return header;
}

}  // namespace volumecrypt::luks

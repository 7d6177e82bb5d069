// SPDX-License-Identifier: Apache-2.0
// One key schedule, and the number of each sector as its tweak.
#include "crypto/xts.h"

#include <array>

namespace volumecrypt::crypto {
namespace {

constexpr std::size_t kTweakSize = 16;
constexpr std::uint64_t kCountedIn = 512;

std::array<unsigned char, kTweakSize> tweakOf(std::uint64_t sector) {
    std::array<unsigned char, kTweakSize> tweak{};
    for (std::size_t i = 0; i < sizeof sector; ++i)
        tweak.at(i) = static_cast<unsigned char>((sector >> (8 * i)) & 0xffU);
    return tweak;
}

}  // namespace

base::Result<XtsDecryptor> XtsDecryptor::start(const base::SecretBuffer &key) {
    XtsDecryptor decryptor;
    decryptor.context_.reset(EVP_CIPHER_CTX_new());
    const EVP_CIPHER *cipher = nullptr;
    if (key.size() == 64) cipher = EVP_aes_256_xts();
    if (key.size() == 32) cipher = EVP_aes_128_xts();
    const bool ready =
        cipher != nullptr && decryptor.context_ != nullptr &&
        EVP_DecryptInit_ex(decryptor.context_.get(), cipher, nullptr,
                           reinterpret_cast<const unsigned char *>(key.chars()), nullptr) == 1;
    if (ready) return decryptor;
    return base::fail(base::ErrorCode::Unsupported,
                      "OpenSSL does not take this volume key for AES-XTS");
}

base::Status XtsDecryptor::decrypt(std::span<std::byte> data, unsigned sectorSize,
                                   std::uint64_t first) {
    bool done = sectorSize != 0 && data.size() % sectorSize == 0;
    for (std::size_t at = 0; done && at < data.size(); at += sectorSize) {
        const auto tweak = tweakOf(first + at / kCountedIn);
        auto *sector = reinterpret_cast<unsigned char *>(data.subspan(at).data());
        int length = 0;
        done = EVP_DecryptInit_ex(context_.get(), nullptr, nullptr, nullptr, tweak.data()) == 1 &&
               EVP_DecryptUpdate(context_.get(), sector, &length, sector,
                                 static_cast<int>(sectorSize)) == 1 &&
               length == static_cast<int>(sectorSize);
    }
    if (done) return {};
    return base::fail(base::ErrorCode::Internal, "a sector could not be decrypted");
}

}  // namespace volumecrypt::crypto

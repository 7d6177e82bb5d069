// SPDX-License-Identifier: Apache-2.0
// AES-XTS as dm-crypt uses it (aes-xts-plain64), by OpenSSL's libcrypto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <openssl/evp.h>

#include "base/result.h"
#include "base/scope_exit.h"
#include "base/secret_buffer.h"

namespace volumecrypt::crypto {

class XtsDecryptor {
  public:
    // `key`: 32 or 64 bytes, both halves of it. Unsupported for any other length, and when
    // libcrypto refuses.
    static base::Result<XtsDecryptor> start(const base::SecretBuffer &key);

    // In place. `data` is a multiple of `sectorSize` (bytes); `first` is the number of its first
    // sector, which counts in 512 bytes whatever the sector size is. Internal.
    base::Status decrypt(std::span<std::byte> data, unsigned sectorSize, std::uint64_t first);

  private:
    base::CHandle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context_;
};

}  // namespace volumecrypt::crypto

// SPDX-License-Identifier: Apache-2.0
// SHA-256 and other hashes, by OpenSSL's libcrypto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "base/result.h"
#include "base/scope_exit.h"
#include "base/secret_buffer.h"

namespace volumecrypt::crypto {

inline constexpr std::size_t kSha256Size = 32;

// Of what is hashed from a file this much is in memory at a time. Four pages: more cost more than
// the calls that they save.
inline constexpr std::size_t kHashPiece = std::size_t{16} << 10;

class Hash {
  public:
    // Unsupported when libcrypto does not know `algorithm` ("sha256").
    static base::Result<Hash> start(const std::string &algorithm);
    base::Status update(std::string_view part);
    base::Result<std::string> finish();

  private:
    base::CHandle<EVP_MD, EVP_MD_free> type_;
    base::CHandle<EVP_MD_CTX, EVP_MD_CTX_free> context_;
};

// SHA-256 of `head`, followed by `size` bytes of the file from `offset` on, which are read piece by
// piece: what is hashed may be large, and never has to be in memory as a whole. Io.
base::Result<std::string> sha256OfRange(std::string_view head, int fd, std::uint64_t offset,
                                        std::uint64_t size);

// 32 bytes. Aborts when OpenSSL fails at SHA-256: nothing sensible can follow.
std::string sha256(std::string_view bytes);

inline std::string_view asText(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

// HMAC and HKDF with SHA-256, by OpenSSL's libcrypto. They abort when OpenSSL fails at SHA-256:
// nothing sensible can follow.

// 32 bytes, which are no secret.
std::string hmacSha256(const base::SecretBuffer &key, std::string_view bytes);

// RFC 5869, empty salt, 32 bytes.
base::SecretBuffer hkdfSha256(const base::SecretBuffer &key, std::string_view info);

}  // namespace volumecrypt::crypto

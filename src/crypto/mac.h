// SPDX-License-Identifier: Apache-2.0
// HMAC and HKDF with SHA-256, by OpenSSL's libcrypto. They abort when OpenSSL fails at SHA-256:
// nothing sensible can follow.
#pragma once

#include <string>
#include <string_view>

#include "base/secret_buffer.h"

namespace volumecrypt::crypto {

// 32 bytes, which are no secret.
std::string hmacSha256(const base::SecretBuffer &key, std::string_view bytes);

// RFC 5869, empty salt, 32 bytes.
base::SecretBuffer hkdfSha256(const base::SecretBuffer &key, std::string_view info);

}  // namespace volumecrypt::crypto

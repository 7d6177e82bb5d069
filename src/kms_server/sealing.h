// SPDX-License-Identifier: Apache-2.0
// AES-256-GCM as Talos' servers use it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::kms_server {

inline constexpr std::size_t kKeySize = 32;   // of a node
inline constexpr std::size_t kDataSize = 32;  // what a machine has sealed
inline constexpr std::size_t kNonceSize = 12;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kSealedSize = kNonceSize + kDataSize + kTagSize;

// nonce || ciphertext || tag, without additional data. `key`, `data` and `nonce` have the sizes
// above. Internal when OpenSSL fails.
base::Result<std::string> seal(const base::SecretBuffer &key, const base::SecretBuffer &data,
                               std::string_view nonce);
// With a nonce of its own.
base::Result<std::string> seal(const base::SecretBuffer &key, const base::SecretBuffer &data);

// KeyRejected when `sealed` was not made with this key.
base::Result<base::SecretBuffer> unseal(const base::SecretBuffer &key, std::string_view sealed);

}  // namespace volumecrypt::kms_server

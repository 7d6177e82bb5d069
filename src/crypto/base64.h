// SPDX-License-Identifier: Apache-2.0
// Base64 of RFC 4648, with the standard alphabet and padding, by OpenSSL's libcrypto.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret_buffer.h"

namespace volumecrypt::crypto {

// Not for secrets: what these made is not wiped.
std::string toBase64(std::string_view bytes);

// Nothing when it is not base64: another character, also white space, or padding that is missing.
std::optional<std::string> fromBase64(std::string_view text);

// What the key slot of a sealed key is made from, as in Talos and systemd.
base::SecretBuffer base64Text(const base::SecretBuffer &secret);

}  // namespace volumecrypt::crypto

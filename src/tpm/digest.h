// SPDX-License-Identifier: Apache-2.0
// SHA-256, which TPM policies are made of; and numbers, hexadecimal and base64 as the TPM writes
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "base/hex.h"

namespace volumecrypt::tpm {

inline constexpr std::size_t kDigestSize = 32;

// 32 bytes. Aborts when OpenSSL fails at SHA-256: nothing sensible can follow.
std::string sha256(std::string_view bytes);

// Big endian.
std::string u16(std::uint16_t value);
std::string u32(std::uint32_t value);

using base::toHex;
std::optional<std::string> fromHex(std::string_view text);
using base::fromBase64;
using base::toBase64;

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// SHA-256, which TPM policies are made of; and numbers and hexadecimal as the TPM writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
std::string toBase64(std::string_view bytes);
std::optional<std::string> fromBase64(std::string_view text);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// SHA-256 by OpenSSL.
#include "tpm/digest.h"

#include <cstdlib>

#include <openssl/evp.h>

namespace volumecrypt::tpm {
namespace {

int digitValue(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string sha256(std::string_view bytes) {
    std::string digest(kDigestSize, '\0');
    unsigned length = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char *>(digest.data()),
                   &length, EVP_sha256(), nullptr) != 1)
        std::abort();
    return digest;
}

std::string u16(std::uint16_t value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
}

std::string u32(std::uint32_t value) {
    return u16(static_cast<std::uint16_t>(value >> 16U)) +
           u16(static_cast<std::uint16_t>(value & 0xFFFFU));
}

std::optional<std::string> fromHex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digitValue(text[i]);
        const int low = digitValue(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

}  // namespace volumecrypt::tpm

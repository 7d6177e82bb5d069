// SPDX-License-Identifier: Apache-2.0
// SHA-256 and base64 by OpenSSL.
#include "tpm/digest.h"

#include <cstdlib>

#include <openssl/evp.h>

namespace volumecrypt::tpm {
namespace {

const unsigned char *unsignedBytes(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}

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

std::string toBase64(std::string_view bytes) {
    // Four characters for each three bytes begun, and a zero.
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char *>(text.data()),
                                       unsignedBytes(bytes), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::optional<std::string> fromBase64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    std::string bytes(text.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char *>(bytes.data()),
                                       unsignedBytes(text), static_cast<int>(text.size()));
    if (length < 0) return std::nullopt;
    // OpenSSL counts the padding as zero bytes.
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

}  // namespace volumecrypt::tpm

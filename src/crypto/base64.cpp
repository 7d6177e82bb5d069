// SPDX-License-Identifier: Apache-2.0
// Base64 by OpenSSL; what it takes besides base64 when it decodes is refused before it is asked.
#include "crypto/base64.h"

#include <openssl/evp.h>

namespace volumecrypt::crypto {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Four characters for each three bytes begun, and OpenSSL's zero after them.
constexpr std::size_t encodedRoom(std::size_t bytes) {
    return (bytes + 2) / 3 * 4 + 1;
}

const unsigned char *bytesOf(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}

}  // namespace

std::string toBase64(std::string_view bytes) {
    std::string text(encodedRoom(bytes.size()), '\0');
    const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char *>(text.data()),
                                         bytesOf(bytes), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::optional<std::string> fromBase64(std::string_view text) {
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    const auto digits = text.substr(0, text.size() - padding);
    if (text.size() % 4 != 0 || digits.find_first_not_of(kDigits) != std::string_view::npos)
        return std::nullopt;
    std::string bytes(text.size() / 4 * 3, '\0');
    if (::EVP_DecodeBlock(reinterpret_cast<unsigned char *>(bytes.data()), bytesOf(text),
                          static_cast<int>(text.size())) < 0)
        return std::nullopt;
    // OpenSSL counts the padding as bytes.
    bytes.resize(bytes.size() - padding);
    return bytes;
}

base::SecretBuffer base64Text(const base::SecretBuffer &secret) {
    base::SecretBuffer text(encodedRoom(secret.size()));
    const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char *>(text.chars()),
                                         reinterpret_cast<const unsigned char *>(secret.chars()),
                                         static_cast<int>(secret.size()));
    text.truncate(static_cast<std::size_t>(length));
    return text;
}

}  // namespace volumecrypt::crypto

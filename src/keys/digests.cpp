// SPDX-License-Identifier: Apache-2.0
// OpenSSL 3's EVP interfaces behind plain functions.
#include "keys/digests.h"

#include <cstdlib>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/c_handle.h"

namespace volumecrypt::keys {
namespace {

using Kdf = base::CHandle<EVP_KDF, EVP_KDF_free>;
using KdfContext = base::CHandle<EVP_KDF_CTX, EVP_KDF_CTX_free>;

const unsigned char *bytesOf(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}

void require(bool done) {
    if (!done) std::abort();
}

std::string hmac(std::span<const std::byte> key, const unsigned char *data, std::size_t size) {
    std::string digest(kDigestSize, '\0');
    unsigned length = 0;
    require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data, size,
                 reinterpret_cast<unsigned char *>(digest.data()), &length) != nullptr);
    return digest;
}

}  // namespace

std::string sha256(std::string_view bytes) {
    std::string digest(kDigestSize, '\0');
    unsigned length = 0;
    require(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char *>(digest.data()),
                       &length, EVP_sha256(), nullptr) == 1);
    return digest;
}

std::string hmacSha256(const base::SecretBuffer &key, std::string_view bytes) {
    return hmac(key.bytes(), bytesOf(bytes), bytes.size());
}

base::SecretBuffer hkdfSha256(const base::SecretBuffer &key, std::string_view info) {
    const Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
    require(kdf != nullptr);
    const KdfContext context(EVP_KDF_CTX_new(kdf.get()));
    require(context != nullptr);
    // OSSL_PARAM wants pointers to non-const; the inputs are not written to, but copies keep that
    // from being our promise.
    std::string digestName = "SHA256";
    std::string infoCopy(info);
    base::SecretBuffer keyCopy = base::SecretBuffer::copyOf(key.bytes());
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digestName.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, keyCopy.bytes().data(),
                                          keyCopy.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, infoCopy.data(), infoCopy.size()),
        OSSL_PARAM_construct_end()};
    base::SecretBuffer derived(kDigestSize);
    require(EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char *>(derived.chars()),
                           derived.size(), parameters) == 1);
    return derived;
}

base::SecretBuffer base64Text(const base::SecretBuffer &secret) {
    // Four characters for each three bytes begun, and OpenSSL's zero after them.
    base::SecretBuffer text((secret.size() + 2) / 3 * 4 + 1);
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char *>(text.chars()),
                                       reinterpret_cast<const unsigned char *>(secret.chars()),
                                       static_cast<int>(secret.size()));
    text.truncate(static_cast<std::size_t>(length));
    return text;
}

base::SecretBuffer recordKey(const base::SecretBuffer &volumeKey) {
    return hkdfSha256(volumeKey, "volumecrypt check v1");
}

std::string slotCheck(const base::SecretBuffer &recordKey, unsigned slot,
                      const base::SecretBuffer &passphrase, std::string_view areaDigest) {
    const char number = static_cast<char>(slot);
    const base::SecretBuffer message =
        base::SecretBuffer::copyOf(std::string_view(&number, 1))
            .appended(passphrase.bytes())
            .appended(std::as_bytes(std::span(areaDigest.data(), areaDigest.size())));
    return hmac(recordKey.bytes(), reinterpret_cast<const unsigned char *>(message.chars()),
                message.size());
}

std::string machineMark(const base::SecretBuffer &recordKey, std::string_view uuid) {
    std::string message("volumecrypt machine v1");
    message += '\0';
    message += uuid;
    return hmacSha256(recordKey, message);
}

std::string pinDigest(const base::SecretBuffer &volumeKey) {
    return hmacSha256(volumeKey, "volumecrypt pin v1");
}

std::string pinMac(const base::SecretBuffer &volumeKey, std::string_view text) {
    std::string message("volumecrypt pin v2");
    message += '\0';
    message += text;
    return hmacSha256(volumeKey, message);
}

}  // namespace volumecrypt::keys

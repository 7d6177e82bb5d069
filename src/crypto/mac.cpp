// SPDX-License-Identifier: Apache-2.0
// HMAC and HKDF by the EVP interfaces of OpenSSL 3.

#include <cstdlib>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/scope_exit.h"
#include "crypto/digest.h"

namespace volumecrypt::crypto {
namespace {

using Kdf = base::CHandle<EVP_KDF, EVP_KDF_free>;
using KdfContext = base::CHandle<EVP_KDF_CTX, EVP_KDF_CTX_free>;

void require(bool done) {
    if (!done) std::abort();
}

}  // namespace

std::string hmacSha256(const base::SecretBuffer &key, std::string_view bytes) {
    std::string digest(kSha256Size, '\0');
    unsigned length = 0;
    require(HMAC(EVP_sha256(), key.chars(), static_cast<int>(key.size()),
                 reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size(),
                 reinterpret_cast<unsigned char *>(digest.data()), &length) != nullptr);
    return digest;
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
    base::SecretBuffer derived(kSha256Size);
    require(EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char *>(derived.chars()),
                           derived.size(), parameters) == 1);
    return derived;
}

}  // namespace volumecrypt::crypto

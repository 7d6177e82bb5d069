// SPDX-License-Identifier: Apache-2.0
// AES-256-GCM by OpenSSL.
#include "kms_server/sealing.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/scope_exit.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;
using Context = base::CHandle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

unsigned char *bytesOf(std::string &text) {
    return reinterpret_cast<unsigned char *>(text.data());
}
const unsigned char *bytesOf(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}
const unsigned char *bytesOf(const base::SecretBuffer &secret) {
    return reinterpret_cast<const unsigned char *>(secret.chars());
}

auto failure() {
    return base::fail(ErrorCode::Internal, "OpenSSL cannot do AES-256-GCM");
}

}  // namespace

base::Result<std::string> seal(const base::SecretBuffer &key, const base::SecretBuffer &data,
                               std::string_view nonce) {
    const Context context(EVP_CIPHER_CTX_new());
    std::string sealed(nonce);
    sealed.resize(kSealedSize);
    unsigned char *ciphertext = bytesOf(sealed) + kNonceSize;
    unsigned char *tag = ciphertext + kDataSize;
    int length = 0;
    if (key.size() != kKeySize || data.size() != kDataSize || nonce.size() != kNonceSize ||
        !context ||
        EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytesOf(key),
                           bytesOf(nonce)) != 1 ||
        EVP_EncryptUpdate(context.get(), ciphertext, &length, bytesOf(data),
                          static_cast<int>(data.size())) != 1 ||
        EVP_EncryptFinal_ex(context.get(), tag, &length) != 1 ||
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag) != 1)
        return failure();
    return sealed;
}

base::Result<std::string> seal(const base::SecretBuffer &key, const base::SecretBuffer &data) {
    std::string nonce(kNonceSize, '\0');
    if (RAND_bytes(bytesOf(nonce), kNonceSize) != 1) return failure();
    return seal(key, data, nonce);
}

base::Result<base::SecretBuffer> unseal(const base::SecretBuffer &key, std::string_view sealed) {
    const auto rejected = [] {
        return base::fail(ErrorCode::KeyRejected,
                          "the sealed key was not made with this node's key");
    };
    if (sealed.size() != kSealedSize) return rejected();
    const Context context(EVP_CIPHER_CTX_new());
    base::SecretBuffer data(kDataSize);
    std::string tag(sealed.substr(kNonceSize + kDataSize));
    int length = 0;
    if (key.size() != kKeySize || !context ||
        EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytesOf(key),
                           bytesOf(sealed)) != 1 ||
        EVP_DecryptUpdate(context.get(), reinterpret_cast<unsigned char *>(data.chars()), &length,
                          bytesOf(sealed.substr(kNonceSize)), kDataSize) != 1 ||
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) != 1)
        return failure();
    unsigned char rest[kTagSize];
    if (EVP_DecryptFinal_ex(context.get(), rest, &length) != 1) return rejected();
    return data;
}

}  // namespace volumecrypt::kms_server

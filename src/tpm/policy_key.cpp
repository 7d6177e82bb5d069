// SPDX-License-Identifier: Apache-2.0
// Reading an RSA public key, and its form for the TPM.
#include "tpm/policy_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/scope_exit.h"
#include "crypto/digest.h"
#include "tpm/policy.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;
using Bio = base::CHandle<BIO, BIO_free_all>;
using Key = base::CHandle<EVP_PKEY, EVP_PKEY_free>;
using BigNumber = base::CHandle<BIGNUM, BN_free>;

constexpr std::uint16_t kRsa = 0x0001;
constexpr std::uint16_t kTpmSha256 = 0x000B;
constexpr std::uint16_t kNull = 0x0010;
constexpr std::uint32_t kKeyAttributes = 0x00060040;  // userWithAuth, decrypt, sign
constexpr std::size_t kLongestModulus = 512;          // what TPM2B_PUBLIC_KEY_RSA holds

base::Status bad(const std::string &why) {
    return base::fail(ErrorCode::InvalidConfig, "the public key of the signed policy " + why,
                      "It is the RSA key that signed the PCR values (PEM, as `openssl pkey "
                      "-pubout` writes it).");
}

std::string numberOf(const EVP_PKEY *key, const char *name) {
    BIGNUM *memory = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &memory) != 1) return {};
    const BigNumber number(memory);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
    BN_bn2bin(number.get(), reinterpret_cast<unsigned char *>(bytes.data()));
    return bytes;
}

std::string pkcs1(const EVP_PKEY *key) {
    unsigned char *memory = nullptr;
    const int size = i2d_PublicKey(key, &memory);
    if (size <= 0) return {};
    std::string der(reinterpret_cast<const char *>(memory), static_cast<std::size_t>(size));
    OPENSSL_free(memory);
    return der;
}

}  // namespace

std::string PolicyKey::publicArea() const {
    // No symmetric algorithm and no scheme; the exponent is written as it is, 65537 included.
    return u16(kRsa) + u16(kTpmSha256) + u32(kKeyAttributes) + u16(0) + u16(kNull) + u16(kNull) +
           u16(static_cast<std::uint16_t>(modulus.size() * 8)) + u32(exponent) +
           u16(static_cast<std::uint16_t>(modulus.size())) + modulus;
}

std::string PolicyKey::name() const {
    return u16(kTpmSha256) + crypto::sha256(publicArea());
}

base::Result<PolicyKey> PolicyKey::fromPem(const std::string &pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const Key pkey(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!pkey) return base::fail(bad("cannot be read").error());
    if (EVP_PKEY_get_base_id(pkey.get()) != EVP_PKEY_RSA)
        return base::fail(bad("is no RSA key").error());
    PolicyKey key;
    key.modulus = numberOf(pkey.get(), OSSL_PKEY_PARAM_RSA_N);
    for (const char c : numberOf(pkey.get(), OSSL_PKEY_PARAM_RSA_E)) {
        if (key.exponent > 0xFFFFFF) return base::fail(bad("has a large exponent").error());
        key.exponent = key.exponent << 8U | static_cast<unsigned char>(c);
    }
    if (key.modulus.empty() || key.exponent == 0 || key.modulus.size() > kLongestModulus)
        return base::fail(bad("has a size that TPMs do not take").error());
    key.fingerprint = crypto::sha256(pkcs1(pkey.get()));
    return key;
}

}  // namespace volumecrypt::tpm

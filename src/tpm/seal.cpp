// SPDX-License-Identifier: Apache-2.0
// seal: a fresh secret into the TPM's keeping.
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/random.h>

#include <openssl/crypto.h>

#include "crypto/digest.h"
#include "tpm/bounded.h"
#include "tpm/pcrs.h"
#include "tpm/policy_key.h"
#include "tpm/storage_root.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr std::size_t kSecretSize = 32;

void wipe(void *bytes, std::size_t size) {
    OPENSSL_cleanse(bytes, size);
}

// Either generator alone would do; the secret is as good as the better of the two.
base::Status mixIn(Connection &connection, const Handle &session, base::SecretBuffer &secret) {
    TPM2B_DIGEST *memory = nullptr;
    VC_TRY(connection.check("get random bytes", connection.tss().Esys_GetRandom(
                                                    connection.esys(), session.get(), ESYS_TR_NONE,
                                                    ESYS_TR_NONE, kSecretSize, &memory)));
    const EsysMemory<TPM2B_DIGEST> bytes(memory);
    for (std::size_t i = 0; i < secret.size() && i < bytes->size; ++i)
        secret.bytes()[i] ^= static_cast<std::byte>(bytes->buffer[i]);
    wipe(bytes.get(), sizeof(TPM2B_DIGEST));
    return {};
}

base::Result<base::SecretBuffer> randomSecret(Connection &connection, const Handle &session) {
    base::SecretBuffer secret(kSecretSize);
    if (::getrandom(secret.bytes().data(), secret.size(), 0) != static_cast<ssize_t>(secret.size()))
        return base::fail(base::errnoError("get random bytes", errno));
    VC_TRY(mixIn(connection, session, secret));
    return secret;
}

TPM2B_PUBLIC sealedTemplate(const std::string &policyHash) {
    TPM2B_PUBLIC area{};
    area.publicArea.type = TPM2_ALG_KEYEDHASH;
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    // Not subject to the lockout: 256 random bits are not guessed, and power cuts must not lock
    // anybody out.
    area.publicArea.objectAttributes =
        TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA;
    area.publicArea.authPolicy.size = crypto::kSha256Size;
    std::memcpy(area.publicArea.authPolicy.buffer, policyHash.data(), crypto::kSha256Size);
    area.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    return area;
}

base::Result<std::string> marshalled(const Library &tss, const TPM2B_PRIVATE &privateArea,
                                     const TPM2B_PUBLIC &publicArea) {
    std::array<uint8_t, sizeof(TPM2B_PRIVATE) + sizeof(TPM2B_PUBLIC)> bytes{};
    std::size_t size = 0;
    if (tss.Tss2_MU_TPM2B_PRIVATE_Marshal(&privateArea, bytes.data(), bytes.size(), &size) !=
            TSS2_RC_SUCCESS ||
        tss.Tss2_MU_TPM2B_PUBLIC_Marshal(&publicArea, bytes.data(), bytes.size(), &size) !=
            TSS2_RC_SUCCESS)
        return base::fail(ErrorCode::Internal, "a sealed key could not be written down");
    return std::string(reinterpret_cast<const char *>(bytes.data()), size);
}

base::Result<std::string> create(Connection &connection, const StorageRoot &root,
                                 const Handle &session, const base::SecretBuffer &secret,
                                 const std::string &policyHash) {
    const TPM2B_PUBLIC area = sealedTemplate(policyHash);
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION pcrs{};
    TPM2B_SENSITIVE_CREATE sensitive{};
    sensitive.sensitive.data.size = static_cast<UINT16>(secret.size());
    std::memcpy(sensitive.sensitive.data.buffer, secret.bytes().data(), secret.size());
    TPM2B_PRIVATE *privateMemory = nullptr;
    TPM2B_PUBLIC *publicMemory = nullptr;
    const TSS2_RC code = connection.tss().Esys_Create(
        connection.esys(), root.handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
        &area, &outside, &pcrs, &privateMemory, &publicMemory, nullptr, nullptr, nullptr);
    wipe(&sensitive, sizeof sensitive);
    const EsysMemory<TPM2B_PRIVATE> privateArea(privateMemory);
    const EsysMemory<TPM2B_PUBLIC> publicArea(publicMemory);
    VC_TRY(checkUse(connection, "seal a secret", code));
    return marshalled(connection.tss(), *privateArea, *publicArea);
}

base::Result<std::string> signerName(const Policy &policy) {
    if (!policy.signer) return std::string();
    VC_ASSIGN(const PolicyKey key, PolicyKey::fromPem(policy.signer->pem));
    return key.name();
}

}  // namespace

base::Result<NewSecret> sealNow(const Access &access, const Policy &policy) {
    VC_ASSIGN(const std::string name, signerName(policy));
    VC_ASSIGN(const auto connection, Connection::open(access));
    VC_ASSIGN(const PcrValues values, readPcrs(*connection, policy.pcrs));
    VC_TRY(checkMeasured(values));
    VC_ASSIGN(const StorageRoot root, findOrMakeStorageRoot(*connection));
    VC_TRY(mayAuthorise(root));
    VC_ASSIGN(const Handle session, startEncryption(*connection, root));
    VC_ASSIGN(base::SecretBuffer secret, randomSecret(*connection, session));
    SealedKey key;
    key.policyHash = sealingPolicy(name, values);
    VC_ASSIGN(key.blob, create(*connection, root, session, secret, key.policyHash));
    key.pcrs = policy.pcrs;
    key.primaryAlgorithm = root.algorithm;
    key.signer = policy.signer;
    key.srk = root.serialised;
    key.enrolled = values;
    key.ours = true;
    return NewSecret{.secret = std::move(secret), .key = std::move(key)};
}

base::Status canSealNow(const Access &access, const Policy &policy) {
    VC_TRY(signerName(policy));
    VC_ASSIGN(const auto connection, Connection::open(access));
    VC_ASSIGN(const PcrValues values, readPcrs(*connection, policy.pcrs));
    VC_TRY(checkMeasured(values));
    return mayAuthorisePresent(*connection);
}

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// unseal: the policy is compared first, so that a PCR that changed is named and costs no try.
#include <cstring>
#include <utility>

#include <openssl/crypto.h>

#include "crypto/digest.h"
#include "tpm/bounded.h"
#include "tpm/pcrs.h"
#include "tpm/policy_key.h"
#include "tpm/response.h"
#include "tpm/storage_root.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

// Somebody may extend a PCR between two steps of a policy.
constexpr int kMostTries = 10;

struct LoadableKey {
    TPM2B_PRIVATE privateArea{};
    TPM2B_PUBLIC publicArea{};
};

base::Result<LoadableKey> unmarshalled(const Library &tss, const std::string &blob) {
    LoadableKey key;
    const auto *bytes = reinterpret_cast<const uint8_t *>(blob.data());
    std::size_t offset = 0;
    if (tss.Tss2_MU_TPM2B_PRIVATE_Unmarshal(bytes, blob.size(), &offset, &key.privateArea) !=
            TSS2_RC_SUCCESS ||
        tss.Tss2_MU_TPM2B_PUBLIC_Unmarshal(bytes, blob.size(), &offset, &key.publicArea) !=
            TSS2_RC_SUCCESS ||
        offset != blob.size())
        return base::fail(ErrorCode::HeaderCorrupt, "the TPM token's sealed key cannot be read");
    return key;
}

// "7, 11": those of `enrolled` that are different now.
std::string changedPcrs(const PcrValues &enrolled, const PcrValues &now) {
    std::string list;
    for (const auto &[pcr, value] : enrolled) {
        const auto at = now.find(pcr);
        if (at == now.end() || at->second != value)
            list += (list.empty() ? "" : ", ") + std::to_string(pcr);
    }
    return list;
}

base::Error mismatch(const SealedKey &key, const PcrValues &now) {
    const std::string changed = changedPcrs(key.enrolled, now);
    return {ErrorCode::PcrMismatch,
            changed.empty() ? "the PCRs are not those that the key was sealed to"
                            : "PCR " + changed + " changed since the key was sealed",
            "Firmware, Secure Boot data base, boot loader or kernel were changed. When another key "
            "opens the volume, sync seals the key anew."};
}

class Unsealing {
  public:
    Unsealing(const Access &access, const SealedKey &key, Connection &connection)
        : access_(access), key_(key), connection_(connection) {}

    base::Result<base::SecretBuffer> run();
    // All of it but the last step.
    base::Status tryPolicy();

  private:
    base::Status readSigner();
    base::Result<Handle> load(const StorageRoot &root, const Handle &session);
    base::Result<Handle> satisfyPolicy();
    base::Status authorize(const Handle &session);
    base::Result<TPMT_TK_VERIFIED> verify(const std::string &approved,
                                          const std::string &signature);
    // False when a PCR was extended meanwhile.
    base::Result<bool> take(const Handle &object, const Handle &session,
                            base::SecretBuffer &secret);
    base::Result<std::string> sessionDigest(const Handle &session);
    base::Status policyPcr(const Handle &session, const std::vector<unsigned> &pcrs);

    const Access &access_;
    const SealedKey &key_;
    Connection &connection_;
    std::optional<PolicyKey> signer_;
    std::string signatures_;
};

base::Status Unsealing::readSigner() {
    if (!key_.signer) return {};
    VC_ASSIGN(signer_, PolicyKey::fromPem(key_.signer->pem));
    VC_ASSIGN(signatures_, readSignatureFile(access_.paths));
    return {};
}

base::Result<Handle> Unsealing::load(const StorageRoot &root, const Handle &session) {
    VC_ASSIGN(const LoadableKey key, unmarshalled(connection_.tss(), key_.blob));
    ESYS_TR object = ESYS_TR_NONE;
    VC_TRY(mayAuthorise(root));
    VC_TRY(checkUse(connection_, "load the sealed key",
                    connection_.tss().Esys_Load(connection_.esys(), root.handle.get(),
                                                session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                                                &key.privateArea, &key.publicArea, &object)));
    return Handle(connection_, object, Handle::Kind::Flushed);
}

base::Result<std::string> Unsealing::sessionDigest(const Handle &session) {
    TPM2B_DIGEST *memory = nullptr;
    VC_TRY(connection_.check("read the policy", connection_.tss().Esys_PolicyGetDigest(
                                                    connection_.esys(), session.get(), ESYS_TR_NONE,
                                                    ESYS_TR_NONE, ESYS_TR_NONE, &memory)));
    const EsysMemory<TPM2B_DIGEST> digest(memory);
    return std::string(reinterpret_cast<const char *>(digest->buffer), digest->size);
}

base::Status Unsealing::policyPcr(const Handle &session, const std::vector<unsigned> &pcrs) {
    const TPML_PCR_SELECTION selection = selectionOf(pcrs);
    const TPM2B_DIGEST current{};  // empty: as they are now
    return connection_.check(
        "bind to the PCRs",
        connection_.tss().Esys_PolicyPCR(connection_.esys(), session.get(), ESYS_TR_NONE,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &current, &selection));
}

base::Result<TPMT_TK_VERIFIED> Unsealing::verify(const std::string &approved,
                                                 const std::string &signature) {
    TPM2B_PUBLIC area{};
    const std::string bytes = signer_->publicArea();
    std::size_t offset = 0;
    if (connection_.tss().Tss2_MU_TPMT_PUBLIC_Unmarshal(
            reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size(), &offset,
            &area.publicArea) != TSS2_RC_SUCCESS)
        return base::fail(ErrorCode::Internal, "the public key has no form for the TPM");
    ESYS_TR loaded = ESYS_TR_NONE;
    VC_TRY(connection_.check("load the public key of the signed policy",
                             connection_.tss().Esys_LoadExternal(
                                 connection_.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 nullptr, &area, ESYS_TR_RH_OWNER, &loaded)));
    const Handle key(connection_, loaded, Handle::Kind::Flushed);
    TPMT_SIGNATURE signed_{};
    signed_.sigAlg = TPM2_ALG_RSASSA;
    signed_.signature.rsassa.hash = TPM2_ALG_SHA256;
    TPM2B_PUBLIC_KEY_RSA &sig = signed_.signature.rsassa.sig;
    if (signature.size() > sizeof sig.buffer)
        return base::fail(ErrorCode::PcrMismatch, "the signature of the PCR values is too long");
    sig.size = static_cast<UINT16>(signature.size());
    std::memcpy(sig.buffer, signature.data(), signature.size());
    // What was signed is the policy digest; the (empty) policyRef follows it.
    const std::string hash = crypto::sha256(approved);
    TPM2B_DIGEST digest{};
    digest.size = crypto::kSha256Size;
    std::memcpy(digest.buffer, hash.data(), crypto::kSha256Size);
    TPMT_TK_VERIFIED *ticket = nullptr;
    const TSS2_RC code = connection_.tss().Esys_VerifySignature(
        connection_.esys(), key.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &signed_,
        &ticket);
    const EsysMemory<TPMT_TK_VERIFIED> owner(ticket);
    if (code == TSS2_RC_SUCCESS) return *ticket;
    base::Error error = connection_.check("check the signature of the PCR values", code).error();
    // The TPM's word for a signature that does not fit.
    if (error.code == ErrorCode::TpmUnavailable && !error.retry)
        error.code = ErrorCode::PcrMismatch;
    return base::fail(std::move(error));
}

base::Status Unsealing::authorize(const Handle &session) {
    VC_TRY(policyPcr(session, key_.signer->pcrs));
    VC_ASSIGN(const std::string approved, sessionDigest(session));
    VC_ASSIGN(const std::string signature,
              findSignature(signatures_, *signer_, key_.signer->pcrs, approved));
    VC_ASSIGN(const TPMT_TK_VERIFIED ticket, verify(approved, signature));
    TPM2B_DIGEST policy{};
    policy.size = static_cast<UINT16>(approved.size());
    std::memcpy(policy.buffer, approved.data(), approved.size());
    const TPM2B_NONCE reference{};
    const std::string keyName = signer_->name();
    TPM2B_NAME name{};
    name.size = static_cast<UINT16>(keyName.size());
    std::memcpy(name.name, keyName.data(), keyName.size());
    return connection_.check("apply the signed policy",
                             connection_.tss().Esys_PolicyAuthorize(
                                 connection_.esys(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &policy, &reference, &name, &ticket));
}

base::Result<Handle> Unsealing::satisfyPolicy() {
    // Before the TPM is asked for anything that counts.
    VC_ASSIGN(const PcrValues now, readPcrs(connection_, key_.pcrs));
    const std::string name = signer_ ? signer_->name() : std::string();
    if (sealingPolicy(name, now) != key_.policyHash) return base::fail(mismatch(key_, now));
    VC_ASSIGN(Handle session, startPolicy(connection_));
    if (signer_) VC_TRY(authorize(session));
    if (!key_.pcrs.empty()) VC_TRY(policyPcr(session, key_.pcrs));
    VC_ASSIGN(const std::string digest, sessionDigest(session));
    if (digest == key_.policyHash) return session;
    // A PCR was extended after it was read.
    VC_ASSIGN(const PcrValues later, readPcrs(connection_, key_.pcrs));
    return base::fail(mismatch(key_, later));
}

base::Result<bool> Unsealing::take(const Handle &object, const Handle &session,
                                   base::SecretBuffer &secret) {
    VC_ASSIGN(const Handle policy, satisfyPolicy());
    TPM2B_SENSITIVE_DATA *memory = nullptr;
    const TSS2_RC code = connection_.tss().Esys_Unseal(
        connection_.esys(), object.get(), policy.get(), session.get(), ESYS_TR_NONE, &memory);
    const EsysMemory<TPM2B_SENSITIVE_DATA> data(memory);
    if (isPcrChanged(code)) return false;
    VC_TRY(connection_.check("unseal the key", code));
    secret = base::SecretBuffer::copyOf(std::as_bytes(std::span(data->buffer, data->size)));
    OPENSSL_cleanse(data.get(), sizeof(TPM2B_SENSITIVE_DATA));
    return true;
}

base::Status Unsealing::tryPolicy() {
    VC_TRY(readSigner());
    VC_ASSIGN(const StorageRoot root,
              findStorageRoot(connection_, key_.srk, key_.primaryAlgorithm));
    VC_ASSIGN(const Handle session, startEncryption(connection_, root));
    VC_TRY(load(root, session));
    VC_TRY(satisfyPolicy());
    return {};
}

base::Result<base::SecretBuffer> Unsealing::run() {
    VC_TRY(readSigner());
    VC_ASSIGN(const StorageRoot root,
              findStorageRoot(connection_, key_.srk, key_.primaryAlgorithm));
    VC_ASSIGN(const Handle session, startEncryption(connection_, root));
    VC_ASSIGN(const Handle object, load(root, session));
    base::SecretBuffer secret;
    for (int tries = 0; tries < kMostTries; ++tries) {
        VC_ASSIGN(const bool done, take(object, session, secret));
        if (done) return secret;
    }
    return base::fail(ErrorCode::PcrMismatch,
                      "PCRs are being extended all the time: the policy does not hold",
                      "Try again when the machine has booted.");
}

}  // namespace

base::Status wouldUnsealNow(const Access &access, const SealedKey &key) {
    VC_ASSIGN(const auto connection, Connection::open(access));
    return Unsealing(access, key, *connection).tryPolicy();
}

base::Result<std::string> whyStaleNow(const Access &access, const SealedKey &key) {
    std::string name;
    if (key.signer) {
        VC_ASSIGN(const PolicyKey signer, PolicyKey::fromPem(key.signer->pem));
        name = signer.name();
    }
    VC_ASSIGN(const auto connection, Connection::open(access));
    auto root = findStorageRoot(*connection, key.srk, key.primaryAlgorithm);
    if (!root && root.error().code == ErrorCode::ForeignTpm)
        return std::string("the TPM is another one, or was cleared");
    VC_TRY(std::move(root));
    VC_ASSIGN(const PcrValues now, readPcrs(*connection, key.pcrs));
    if (sealingPolicy(name, now) == key.policyHash) return std::string();
    const std::string changed = changedPcrs(key.enrolled, now);
    return changed.empty() ? std::string("PCRs changed") : "PCR " + changed + " changed";
}

base::Result<base::SecretBuffer> unsealNow(const Access &access, const SealedKey &key) {
    VC_ASSIGN(const auto connection, Connection::open(access));
    return Unsealing(access, key, *connection).run();
}

}  // namespace volumecrypt::tpm

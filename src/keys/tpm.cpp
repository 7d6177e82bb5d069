// SPDX-License-Identifier: Apache-2.0
// From a declared tpm key to the TPM and back.
#include "keys/tpm.h"

#include <utility>

#include "crypto/base64.h"
#include "model/slot_token.h"
#include "tpm/policy_key.h"
#include "tpm/secure_boot.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;

// What cannot be unsealed again must not become a key slot. Without a signature of what runs now
// (an installer, say) a signed policy cannot be tried.
base::Status prove(const tpm::Access &access, const tpm::NewSecret &made) {
    auto back = tpm::unseal(access, made.key);
    if (!back) {
        const ErrorCode code = back.error().code;
        if (made.key.signer && (code == ErrorCode::NotFound || code == ErrorCode::PcrMismatch))
            return {};
        return base::fail(std::move(back).error().because("trying the new key"));
    }
    if (*back == made.secret) return {};
    return base::fail(ErrorCode::TpmUnavailable,
                      "the TPM gives back another secret than it was given",
                      "It does not work as it should: declare another key kind.");
}

}  // namespace

TpmKeySource::TpmKeySource(const model::KeySpec &spec, KeyContext context)
    : SealedKeySource(spec, "TPM"),
      key_(std::get<model::TpmKey>(spec.parameters)),
      access_{.tcti = context.tcti.empty() ? key_.tcti : context.tcti,
              .paths = std::move(context.paths)} {}

base::Result<tpm::Policy> TpmKeySource::policy() const {
    tpm::Policy policy{.pcrs = key_.pcrs, .signer = {}};
    if (!key_.signedPolicy) return policy;
    VC_ASSIGN(std::string pem, tpm::readPublicKeyFile(access_.paths, key_.signedPolicy->publicKey));
    policy.signer = tpm::PolicySigner{.pem = std::move(pem), .pcrs = key_.signedPolicy->pcrs};
    return policy;
}

base::Result<base::SecretBuffer> TpmKeySource::unseal(const std::string &json) {
    VC_ASSIGN(const tpm::SealedKey key, tpm::SealedKey::fromJson(json));
    VC_ASSIGN(const base::SecretBuffer secret, tpm::unseal(access_, key));
    return crypto::base64Text(secret);
}

base::Status TpmKeySource::checkSecureBoot() const {
    if (!key_.checkSecurebootStatusOnEnroll) return {};
    return tpm::requireSecureBoot(access_.paths);
}

base::Result<NewKey> TpmKeySource::create() {
    VC_TRY(checkSecureBoot());
    VC_ASSIGN(const auto wanted, policy());
    VC_ASSIGN(auto made, tpm::seal(access_, wanted));
    VC_TRY(prove(access_, made));
    const char *type =
        spec().lockToState ? model::kLockedTpmTokenType : model::kSystemdTpmTokenType;
    return NewKey{.passphrase = crypto::base64Text(made.secret),
                  .token = made.key.toJson(type, spec().slot)};
}

base::Status TpmKeySource::canCreate() {
    VC_TRY(checkSecureBoot());
    VC_ASSIGN(const auto wanted, policy());
    return tpm::canSeal(access_, wanted);
}

bool TpmKeySource::isAsDeclared(const model::TokenView &token) {
    const auto key = tpm::SealedKey::fromJson(token.json);
    const auto wanted = policy();
    return key && wanted && key->ours && key->pcrs == wanted->pcrs && key->signer == wanted->signer;
}

std::string TpmKeySource::lossReason(const base::Error &failure, const std::string &json) {
    if (failure.code != ErrorCode::PcrMismatch && failure.code != ErrorCode::ForeignTpm) return {};
    const auto key = tpm::SealedKey::fromJson(json);
    if (!key) return {};
    const auto reason = tpm::whyStale(access_, *key);
    return reason && !reason->empty() ? "re-seal: " + *reason : std::string();
}

}  // namespace volumecrypt::keys

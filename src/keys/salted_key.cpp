// SPDX-License-Identifier: Apache-2.0
// Appends the salt of STATE. It is asked for first: without it a TPM or a network need not be
// troubled.
#include "keys/salted_key.h"

namespace volumecrypt::keys {

base::Result<base::SecretBuffer> SaltedKeySource::obtain(
    const std::optional<model::TokenView> &token) {
    VC_ASSIGN(const base::SecretBuffer *salt, salt_->bytes());
    VC_ASSIGN(const base::SecretBuffer passphrase, inner_->obtain(token));
    return passphrase.appended(salt->bytes());
}

base::Result<NewKey> SaltedKeySource::create() {
    VC_ASSIGN(const base::SecretBuffer *salt, salt_->bytes());
    VC_ASSIGN(NewKey key, inner_->create());
    key.passphrase = key.passphrase.appended(salt->bytes());
    return key;
}

base::Error SaltedKeySource::whyNotOpened(base::Error rejected,
                                          const base::SecretBuffer &passphrase,
                                          const Opens & /*opens*/) const {
    return inner_->whyNotOpened(std::move(rejected), passphrase,
                                [](const base::SecretBuffer &) { return false; });
}

base::Status SaltedKeySource::canCreate() {
    VC_TRY(salt_->bytes());
    return inner_->canCreate();
}

bool SaltedKeySource::isAsDeclared(const model::TokenView &token) {
    return inner_->isAsDeclared(token);
}

std::string SaltedKeySource::renewalReason(const base::Error &failure,
                                           const std::optional<model::TokenView> &token) {
    // The token is well; the salt will come back with STATE.
    if (failure.code == base::ErrorCode::SaltUnavailable) return {};
    return inner_->renewalReason(failure, token);
}

}  // namespace volumecrypt::keys

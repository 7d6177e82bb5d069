// SPDX-License-Identifier: Apache-2.0
// A key of any kind that is locked to STATE.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "keys/key_source.h"
#include "keys/state_salt.h"

namespace volumecrypt::keys {

// The inner key's bytes followed by those of the salt.
class SaltedKeySource : public KeySource {
  public:
    SaltedKeySource(std::unique_ptr<KeySource> inner, std::shared_ptr<StateSalt> salt)
        : inner_(std::move(inner)), salt_(std::move(salt)) {}

    base::Result<base::SecretBuffer> obtain(const std::optional<model::TokenView> &token) override;
    base::Result<NewKey> create() override;
    // Another passphrase would need the salt as well: none is tried.
    base::Error whyNotOpened(base::Error rejected, const base::SecretBuffer &passphrase,
                             const Opens &opens) const override;
    base::Status canCreate() override;
    bool isAsDeclared(const model::TokenView &token) override;
    std::string renewalReason(const base::Error &failure,
                              const std::optional<model::TokenView> &token) override;

  private:
    std::unique_ptr<KeySource> inner_;
    std::shared_ptr<StateSalt> salt_;
};

}  // namespace volumecrypt::keys

// SPDX-License-Identifier: Apache-2.0
// `tpm` keys: 32 random bytes, sealed by the machine's TPM to what it booted.
#pragma once

#include <string>

#include "keys/key_source.h"
#include "tpm/access.h"
#include "tpm/sealer.h"

namespace volumecrypt::keys {

class TpmKeySource : public SealedKeySource {
  public:
    // `spec` is of kind tpm and must outlive the source.
    TpmKeySource(const model::KeySpec &spec, KeyContext context);

    base::Result<NewKey> create() override;
    base::Status canCreate() override;
    bool isAsDeclared(const model::TokenView &token) override;

  protected:
    base::Result<base::SecretBuffer> unseal(const std::string &json) override;
    std::string lossReason(const base::Error &failure, const std::string &json) override;

  private:
    base::Result<tpm::Policy> policy() const;
    base::Status checkSecureBoot() const;

    const model::TpmKey &key_;
    tpm::Access access_;
};

}  // namespace volumecrypt::keys

// SPDX-License-Identifier: Apache-2.0
// `kms` keys: 32 random bytes, sealed by a key server that knows this machine by its UUID.
#pragma once

#include <optional>
#include <string>

#include "base/kms_message.h"
#include "keys/key_source.h"

namespace volumecrypt::keys {

// A sealed key as Talos keeps it in a token of type sideroKMS; what Talos does not write is
// optional.
struct KmsToken {
    std::string sealedData;
    std::string endpoint;  // of the server that sealed it; empty when it is not known
    unsigned slot = 0;

    [[nodiscard]] std::string toJson() const;
    // HeaderCorrupt.
    static base::Result<KmsToken> fromJson(const std::string &json);
};

// Speaks to the server through volumecrypt-kms, a process of its own for each call.
class KmsKeySource : public SealedKeySource {
  public:
    // `spec` is of kind kms and must outlive the source.
    KmsKeySource(const model::KeySpec &spec, KeyContext context);

    // obtain: KmsUnreachable; KmsRejected, also when the answer is no key; HeaderCorrupt.

    // The key is unsealed again before anybody gets to see it.
    base::Result<NewKey> create() override;
    // Makes a key, for create to give out later: only the server knows whether it would.
    base::Status canCreate() override;
    bool isAsDeclared(const model::TokenView &token) override;
    base::Error whyNotOpened(base::Error rejected, const base::SecretBuffer &passphrase,
                             const Opens &opens) const override;

  protected:
    base::Result<base::SecretBuffer> unseal(const std::string &json) override;
    std::string lossReason(const base::Error &failure, const std::string &json) override;

  private:
    base::Result<base::SecretBuffer> call(base::KmsOperation operation,
                                          const base::SecretBuffer &data);
    base::Result<base::SecretBuffer> callOnce(const base::KmsRequest &request) const;
    base::Result<NewKey> make();

    const model::KmsKey &key_;
    KeyContext context_;
    std::optional<NewKey> made_;
    // A server that did not answer is not asked again in the same run.
    std::optional<base::Error> unreachable_;
};

}  // namespace volumecrypt::keys

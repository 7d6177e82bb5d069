// SPDX-License-Identifier: Apache-2.0
// `static` keys: the bytes of the declared passphrase, or of a file.
#pragma once

#include "keys/key_source.h"

namespace volumecrypt::keys {

// `passphrase` without the newline at its end, or with one where it has none.
base::SecretBuffer withOtherNewline(const base::SecretBuffer &passphrase);

// The whole content of the file is the passphrase, a final newline included, as with `cryptsetup
// --key-file`. InvalidConfig when the file is empty, longer than 8 KiB, not owned by root (or by
// the caller), or open to others, or a link that others can turn elsewhere.
class StaticKeySource : public KeySource {
  public:
    // `key` must outlive the source.
    explicit StaticKeySource(const model::StaticKey &key) : key_(key) {}

    base::Result<base::SecretBuffer> obtain(const std::optional<model::TokenView> &token) override;
    base::Result<NewKey> create() override;
    // Where a newline at the end is all that is wrong, says so.
    base::Error whyNotOpened(base::Error rejected, const base::SecretBuffer &passphrase,
                             const Opens &opens) const override;

  private:
    const model::StaticKey &key_;
};

}  // namespace volumecrypt::keys

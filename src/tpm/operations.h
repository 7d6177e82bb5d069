// SPDX-License-Identifier: Apache-2.0
// The operations of sealer.h without a time limit. Internal to this folder.
#pragma once

#include "tpm/sealer.h"

namespace volumecrypt::tpm {

base::Result<NewSecret> sealNow(const Access &access, const Policy &policy);
base::Result<base::SecretBuffer> unsealNow(const Access &access, const SealedKey &key);
base::Result<std::string> whyStaleNow(const Access &access, const SealedKey &key);
base::Status wouldUnsealNow(const Access &access, const SealedKey &key);
base::Status canSealNow(const Access &access, const Policy &policy);

}  // namespace volumecrypt::tpm

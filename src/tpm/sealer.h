// SPDX-License-Identifier: Apache-2.0
// Sealing a fresh secret to the TPM and getting it back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "tpm/access.h"
#include "tpm/sealed_key.h"

namespace volumecrypt::tpm {

struct Policy {
    std::vector<unsigned> pcrs;          // sorted, without duplicates
    std::optional<PolicySigner> signer;  // its PCRs sorted as well
};

struct NewSecret {
    base::SecretBuffer secret;  // 32 random bytes, of the host's and the TPM's generators
    SealedKey key;
};

// TpmUnavailable, TpmLockout, Unsupported, InvalidConfig (the public key), Busy.
base::Result<NewSecret> seal(const Access &access, const Policy &policy);

// The secret. PcrMismatch (named PCRs, nothing was asked of the TPM that counts as a wrong try),
// ForeignTpm, TpmLockout, TpmUnavailable, NotFound (signature file), HeaderCorrupt, Busy.
base::Result<base::SecretBuffer> unseal(const Access &access, const SealedKey &key);

// Why `key` can never be unsealed again as this machine is now, though a new one could be sealed:
// "PCR 7 changed", "the TPM is another one". Empty when nothing of that is so. Asks nothing of the
// TPM that counts as a try.
base::Result<std::string> whyStale(const Access &access, const SealedKey &key);

// Whether seal can be expected to work now; makes nothing.
base::Status canSeal(const Access &access, const Policy &policy);

}  // namespace volumecrypt::tpm

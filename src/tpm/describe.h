// SPDX-License-Identifier: Apache-2.0
// What the TPM is and how it does, for people.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "tpm/access.h"
#include "tpm/sealed_key.h"

namespace volumecrypt::tpm {

// {"tcti", "manufacturer", "firmware", "specification", "banks": [names], "storageRoot":
// "ecc"|"rsa"|null,
//  "lockout": {"active", "failures", "limit", "recoverySeconds"}, "pcrs": {"0": hex, …}} ; `pcrs`
//  is null
// without a SHA-256 bank.
base::Result<nlohmann::json> describe(const Access &access);

// Whether `key` would be unsealed now: success, or the error that unseal would give. The secret is
// not asked for.
base::Status wouldUnseal(const Access &access, const SealedKey &key);

}  // namespace volumecrypt::tpm

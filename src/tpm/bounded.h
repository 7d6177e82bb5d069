// SPDX-License-Identifier: Apache-2.0
// Time limits for a library that has none.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "tpm/sealer.h"

namespace volumecrypt::tpm {

// Runs `task` in a child process and returns what it returns; TpmUnavailable when it takes longer,
// or dies. The calls of tpm2-tss wait for ever for a TPM that does not answer, and a volume must
// still be opened by its other keys then. The caller has one thread.
base::Result<base::SecretBuffer> runBounded(
    int timeoutMs, const std::function<base::Result<base::SecretBuffer>()> &task);

// The operations of sealer.h without a time limit. Internal to this folder.

base::Result<NewSecret> sealNow(const Access &access, const Policy &policy);
base::Result<base::SecretBuffer> unsealNow(const Access &access, const SealedKey &key);
base::Result<std::string> whyStaleNow(const Access &access, const SealedKey &key);
base::Status wouldUnsealNow(const Access &access, const SealedKey &key);
base::Status canSealNow(const Access &access, const Policy &policy);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// Time limits for a library that has none.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::tpm {

// Runs `task` in a child process and returns what it returns; TpmUnavailable when it takes longer,
// or dies. The calls of tpm2-tss wait for ever for a TPM that does not answer, and a volume must
// still be opened by its other keys then. The caller has one thread.
base::Result<base::SecretBuffer> runBounded(
    int timeoutMs, const std::function<base::Result<base::SecretBuffer>()> &task);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// tpm: what the TPM is, and whether the volumes' TPM keys would open them now.
#pragma once

#include "volume/options.h"

namespace volumecrypt::engine {

// The whole verb: of no volume in particular, so it has no session. Returns the exit status.
int reportTpm(const volume::Options &options);

}  // namespace volumecrypt::engine

// SPDX-License-Identifier: Apache-2.0
// tpm: what the engine says of the TPM.
#pragma once

#include "cli/command_line.h"

namespace volumecrypt::cli {

// Becomes the engine: the service has no access to the TPM, and needs none. Returns only when that
// fails.
int runTpm(const Arguments &arguments);

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// Gives up everything that speaking to a KMS does not need.
#pragma once

#include "base/result.h"

namespace volumecrypt::kms {

// For the rest of the process: another user (nobody) where that may be chosen, no capabilities, no
// new privileges, no core dumps, and where the kernel has Landlock, no file but those that name
// resolution and TLS read, and none to write. Call it when every certificate has been read.
base::Status enterSandbox();

}  // namespace volumecrypt::kms

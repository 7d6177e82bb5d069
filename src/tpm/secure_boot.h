// SPDX-License-Identifier: Apache-2.0
// Whether the firmware checks what it boots.
#pragma once

#include "base/result.h"
#include "model/system_paths.h"

namespace volumecrypt::tpm {

// From the EFI variables. InvalidConfig with Talos' texts when Secure Boot is off (or the machine
// did not boot by EFI), or in setup mode.
base::Status requireSecureBoot(const model::SystemPaths &paths);

}  // namespace volumecrypt::tpm

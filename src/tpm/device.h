// SPDX-License-Identifier: Apache-2.0
// Whether the device of a TPM can be opened, and if not, why: tpm2-tss says "IO failure" of all
// that.
#pragma once

#include <string>

#include "base/result.h"
#include "tpm/access.h"

namespace volumecrypt::tpm {

// Opens the device that the interface names, and closes it again. Nothing to say of interfaces that
// are no device. TpmUnavailable; Busy when another program still has it after access.waitMs.
base::Status expectDevice(const Access &access, const std::string &tcti);

// Why `device` does not open: there is no such TPM, it is hidden from this process, refused to it,
// in use, or gone. What sysfs shows tells the first two apart.
base::Error deviceError(const model::SystemPaths &paths, const std::string &device, int errnoValue);

// Whether the kernel has the TPM of this name (tpm0, tpmrm0), whatever is in /dev.
bool isInSysfs(const model::SystemPaths &paths, const std::string &name);

}  // namespace volumecrypt::tpm

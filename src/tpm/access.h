// SPDX-License-Identifier: Apache-2.0
// Which TPM to talk to, and whether it is there.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "model/system_paths.h"

namespace volumecrypt::tpm {

struct Access {
    std::string tcti;  // as tpm2-tss names interfaces; empty: the machine's TPM
    model::SystemPaths paths;
    // How long a TPM that the firmware announces is waited for, and how long another program that
    // has a TPM without resource manager.
    int waitMs = 15'000;
    // How long an operation may take in all; the slowest TPMs take half a minute for an RSA key.
    int timeoutMs = 90'000;
};

// The interface to open: `access.tcti`, or that of /dev/tpmrm0 (or /dev/tpm0, where the kernel has
// no resource manager). Waits for the device when the firmware says that there is a TPM.
// TpmUnavailable when there is none, or it is hidden from this process; Unsupported for a TPM 1.2.
base::Result<std::string> chooseTcti(const Access &access);

// Whether `done` came true within that time.
bool waitFor(int waitMs, const std::function<bool()> &done);

// Whether a resource manager keeps the users of this interface apart.
bool isResourceManaged(const std::string &tcti);

// Serialises the engines on an interface without resource manager; held while the descriptor is
// open. An invalid descriptor for interfaces that need none. Busy after access.waitMs.
base::Result<base::UniqueFd> lockTpm(const Access &access, const std::string &tcti);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// The storage root key, which other programs share: at 0x81000001, as the TCG's provisioning
// guidance says. Internal to this folder.
#pragma once

#include <string>

#include "base/result.h"
#include "tpm/connection.h"

namespace volumecrypt::tpm {

struct StorageRoot {
    Handle handle;
    std::string serialised;  // as ESYS does: what tokens call tpm2_srk
    std::string name;        // TPM2B_NAME without its size
    std::string algorithm;   // "ecc" or "rsa"
};

// "ecc", "rsa", or empty when there is none yet. Makes nothing.
base::Result<std::string> findStorageRootKind(Connection &connection);

// For sealing: the one that is there, else a new one from the TCG's template (ECC P-256, RSA 2048
// where the TPM has no such curve), made persistent.
base::Result<StorageRoot> findOrMakeStorageRoot(Connection &connection);

// For unsealing: the one that `serialised` names. ForeignTpm when this TPM has another one. When
// there is none it is made again, from the TPM's seed, and compared.
base::Result<StorageRoot> findStorageRoot(Connection &connection, const std::string &serialised,
                                          const std::string &algorithm);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// The storage root key, which other programs share: at 0x81000001, as the TCG's provisioning
// guidance says. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tpm/connection.h"

namespace volumecrypt::tpm {

struct StorageRoot {
    Handle handle;
    std::string serialised;  // as ESYS does: what tokens call tpm2_srk
    std::string name;        // TPM2B_NAME without its size
    std::string algorithm;   // "ecc" or "rsa"
    bool lockable = false;   // wrong authorisations count towards the TPM's lockout
};

// "ecc", "rsa", or empty when there is none yet. Makes nothing.
base::Result<std::string> findStorageRootKind(Connection &connection);

// Whether an empty authorisation may be tried: not where somebody else's key, which may have a
// password, would count a wrong one; a few engines at boot are enough for a lockout.
// TpmUnavailable.
base::Status mayAuthorise(const StorageRoot &root);
// The same of the one that is there; none is fine.
base::Status mayAuthorisePresent(Connection &connection);

// The error of a use of `root` that failed: its password is not the empty one.
base::Status checkUse(Connection &connection, std::string_view what, std::uint32_t code);

// For sealing: the one that is there, else a new one from the TCG's template (ECC P-256, RSA 2048
// where the TPM has no such curve), made persistent.
base::Result<StorageRoot> findOrMakeStorageRoot(Connection &connection);

// For unsealing: the one that `serialised` names. ForeignTpm when this TPM has another one. When
// there is none it is made again, from the TPM's seed, and compared.
base::Result<StorageRoot> findStorageRoot(Connection &connection, const std::string &serialised,
                                          const std::string &algorithm);

// Sessions with the TPM.

// Salted with the storage root key, AES-128-CFB for parameters in both directions: who listens on
// the bus between processor and TPM learns nothing.
base::Result<Handle> startEncryption(Connection &connection, const StorageRoot &root);

base::Result<Handle> startPolicy(Connection &connection);

}  // namespace volumecrypt::tpm

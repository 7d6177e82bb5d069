// SPDX-License-Identifier: Apache-2.0
// Sessions with the TPM. Internal to this folder.
#pragma once

#include "base/result.h"
#include "tpm/connection.h"
#include "tpm/storage_root.h"

namespace volumecrypt::tpm {

// Salted with the storage root key, AES-128-CFB for parameters in both directions: who listens on
// the bus between processor and TPM learns nothing.
base::Result<Handle> startEncryption(Connection &connection, const StorageRoot &root);

base::Result<Handle> startPolicy(Connection &connection);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// PCR values as they are in the TPM. Internal to this folder.
#pragma once

#include <vector>

#include <tss2/tss2_tpm2_types.h>

#include "base/result.h"
#include "tpm/connection.h"
#include "tpm/policy.h"

namespace volumecrypt::tpm {

TPML_PCR_SELECTION selectionOf(const std::vector<unsigned> &pcrs);

// From the SHA-256 bank. Unsupported when the TPM does not have the bank, or not these PCRs in it.
base::Result<PcrValues> readPcrs(Connection &connection, const std::vector<unsigned> &pcrs);

// Unsupported when nothing was ever measured into one of them: a key bound to it would be bound to
// nothing.
base::Status checkMeasured(const PcrValues &values);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// Signed PCR values: the file that systemd-measure writes.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/system_paths.h"
#include "tpm/policy_key.h"

namespace volumecrypt::tpm {

// The signature of a policy, for TPM2_VerifySignature: RSASSA-PKCS1 with SHA-256.
// PcrMismatch when `json` has none for this policy digest: what runs was not signed.
base::Result<std::string> findSignature(const std::string &json, const PolicyKey &key,
                                        const std::vector<unsigned> &pcrs,
                                        const std::string &policy);

// The content of tpm2-pcr-signature.json, from where systemd looks for it, and /.extra. NotFound
// with the places.
base::Result<std::string> readSignatureFile(const model::SystemPaths &paths);
// The same for tpm2-pcr-public-key.pem, for a declaration that names no key; `declared` when it
// does.
base::Result<std::string> readPublicKeyFile(const model::SystemPaths &paths,
                                            const std::string &declared);

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// The public key of a signed PCR policy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/system_paths.h"

namespace volumecrypt::tpm {

struct PolicyKey {
    std::string modulus;  // big endian
    std::uint32_t exponent = 0;
    std::string fingerprint;  // SHA-256 of its PKCS#1 form: `pkfp` of signature files
    // The TPM's name of it: the hash algorithm, then SHA-256 of publicArea().
    [[nodiscard]] std::string name() const;
    // TPMT_PUBLIC as systemd and Talos have it: the name depends on every byte.
    [[nodiscard]] std::string publicArea() const;

    // From PEM (SubjectPublicKeyInfo). InvalidConfig when it is no RSA public key.
    static base::Result<PolicyKey> fromPem(const std::string &pem);
};

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

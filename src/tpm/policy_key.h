// SPDX-License-Identifier: Apache-2.0
// The public key of a signed PCR policy.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

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

}  // namespace volumecrypt::tpm

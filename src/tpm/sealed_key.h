// SPDX-License-Identifier: Apache-2.0
// A key sealed by a TPM, as a LUKS2 token keeps it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tpm/policy.h"

namespace volumecrypt::tpm {

// A public key whose owner may sign PCR values, and the PCRs that are signed.
struct PolicySigner {
    std::string pem;
    std::vector<unsigned> pcrs;

    friend bool operator==(const PolicySigner &, const PolicySigner &) = default;
};

struct SealedKey {
    std::string blob;  // TPM2B_PRIVATE, then TPM2B_PUBLIC
    std::vector<unsigned> pcrs;
    std::string bank = "sha256";
    std::string primaryAlgorithm = "ecc";
    std::string policyHash;  // 32 bytes
    bool pin = false;
    std::optional<PolicySigner> signer;
    std::string srk;  // as ESYS serialises the storage root key: its handle, name and public area
    // The values of `pcrs` when the key was sealed: tells later which of them changed. Our own
    // member, which systemd ignores; empty in tokens of others.
    PcrValues enrolled;

    // The token's JSON; members and encoding as systemd reads them.
    [[nodiscard]] std::string toJson(std::string_view type, unsigned slot) const;
    // Made by us: it has the member that only we write.
    bool ours = false;

    // Both types. HeaderCorrupt when it cannot be read; Unsupported when it needs what we do not
    // do: a PIN, several shards, pcrlock, another bank than SHA-256, no storage root key.
    static base::Result<SealedKey> fromJson(const std::string &json);
};

}  // namespace volumecrypt::tpm

// SPDX-License-Identifier: Apache-2.0
// The policy that a sealed key is bound to, as a digest: pure functions, equal to what the TPM
// computes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::tpm {

// PCR number -> value in the SHA-256 bank (32 bytes).
using PcrValues = std::map<unsigned, std::string>;

// What a policy session starts with: 32 zero bytes.
std::string emptyPolicy();

// TPM2_PolicyPCR after `policy`: the values in ascending order, each once, as the TPM takes them.
std::string withPcrs(std::string_view policy, const PcrValues &values);
// The same from its parts: the selection's bytes and the concatenated values.
std::string withPcrSelection(std::string_view policy, std::string_view select,
                             std::string_view concatenated);
// TPM2_PolicyAuthorize with an empty policyRef: forgets what was before. `keyName`: TPM2B_NAME
// without its size.
std::string authorizedBy(std::string_view keyName);

// The bytes of a PCR selection: PCR n is bit n%8 of byte n/8.
using PcrSelect = std::array<char, 3>;
PcrSelect pcrSelect(const std::vector<unsigned> &pcrs);

// The policy of a sealed key, in systemd's order: the signed policy (when `keyName` is not empty),
// then the PCRs (when there are any).
std::string sealingPolicy(std::string_view keyName, const PcrValues &values);

// Numbers as TPM structures have them: big endian.
// Big endian.
std::string u16(std::uint16_t value);
std::string u32(std::uint32_t value);

}  // namespace volumecrypt::tpm

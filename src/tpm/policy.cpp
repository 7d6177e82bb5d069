// SPDX-License-Identifier: Apache-2.0
// Policy digests (TPM 2.0 library specification, part 3, PolicyPCR and PolicyAuthorize).
#include "tpm/policy.h"

#include "crypto/digest.h"

namespace volumecrypt::tpm {
namespace {

constexpr std::uint32_t kPolicyAuthorize = 0x0000016A;
constexpr std::uint32_t kPolicyPcr = 0x0000017F;
constexpr std::uint16_t kPcrBank = 0x000B;

}  // namespace

std::string emptyPolicy() {
    std::string zeros(crypto::kSha256Size, '\0');
    return zeros;
}

PcrSelect pcrSelect(const std::vector<unsigned> &pcrs) {
    PcrSelect select{};
    for (const unsigned pcr : pcrs) {
        char &byte = select.at(pcr / 8);
        byte = static_cast<char>(static_cast<unsigned char>(byte) | (1U << (pcr % 8)));
    }
    return select;
}

std::string withPcrSelection(std::string_view policy, std::string_view select,
                             std::string_view concatenated) {
    std::string text(policy);
    text += u32(kPolicyPcr) + u32(1) + u16(kPcrBank);
    text += static_cast<char>(select.size());
    text += select;
    text += crypto::sha256(concatenated);
    return crypto::sha256(text);
}

std::string withPcrs(std::string_view policy, const PcrValues &values) {
    std::vector<unsigned> pcrs;
    std::string concatenated;
    for (const auto &[pcr, value] : values) {
        pcrs.push_back(pcr);
        concatenated += value;
    }
    const PcrSelect select = pcrSelect(pcrs);
    return withPcrSelection(policy, {select.data(), select.size()}, concatenated);
}

std::string authorizedBy(std::string_view keyName) {
    std::string text = emptyPolicy() + u32(kPolicyAuthorize);
    text += keyName;
    // The second round takes the policyRef, which is empty.
    return crypto::sha256(crypto::sha256(text));
}

std::string sealingPolicy(std::string_view keyName, const PcrValues &values) {
    std::string policy = keyName.empty() ? emptyPolicy() : authorizedBy(keyName);
    return values.empty() ? policy : withPcrs(policy, values);
}

}  // namespace volumecrypt::tpm

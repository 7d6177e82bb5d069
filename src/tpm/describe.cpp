// SPDX-License-Identifier: Apache-2.0
// Properties, banks and PCR values of the TPM.
#include "tpm/describe.h"

#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "base/foreign_json.h"
#include "base/text.h"
#include "tpm/bounded.h"
#include "tpm/pcrs.h"
#include "tpm/policy.h"
#include "tpm/storage_root.h"

namespace volumecrypt::tpm {
namespace {

using Json = nlohmann::json;
using Properties = std::map<TPM2_PT, UINT32>;

constexpr unsigned kBankSize = 24;

base::Status readProperties(Connection &connection, TPM2_PT first, Properties &into) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA *memory = nullptr;
    VC_TRY(connection.check(
        "read the TPM's properties",
        connection.tss().Esys_GetCapability(connection.esys(), ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, first,
                                            TPM2_MAX_TPM_PROPERTIES, &more, &memory)));
    const EsysMemory<TPMS_CAPABILITY_DATA> data(memory);
    const TPML_TAGGED_TPM_PROPERTY &list = data->data.tpmProperties;
    for (UINT32 i = 0; i < list.count && i < TPM2_MAX_TPM_PROPERTIES; ++i)
        into[list.tpmProperty[i].property] = list.tpmProperty[i].value;
    return {};
}

UINT32 valueOf(const Properties &properties, TPM2_PT property) {
    const auto at = properties.find(property);
    return at == properties.end() ? 0 : at->second;
}

// Four letters in a number, as the TPM gives names.
std::string letters(UINT32 value) {
    std::string text;
    for (const char c : u32(value))
        if (std::isprint(static_cast<unsigned char>(c)) != 0 && c != ' ') text += c;
    return text;
}

std::string algorithmName(TPM2_ALG_ID algorithm) {
    switch (algorithm) {
        case TPM2_ALG_SHA1:
            return "sha1";
        case TPM2_ALG_SHA256:
            return "sha256";
        case TPM2_ALG_SHA384:
            return "sha384";
        case TPM2_ALG_SHA512:
            return "sha512";
        case TPM2_ALG_SM3_256:
            return "sm3-256";
        default:
            return base::toHex(u16(algorithm));
    }
}

base::Result<std::vector<std::string>> banksOf(Connection &connection) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA *memory = nullptr;
    VC_TRY(connection.check(
        "list the TPM's PCR banks",
        connection.tss().Esys_GetCapability(connection.esys(), ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, TPM2_CAP_PCRS, 0, 1, &more, &memory)));
    const EsysMemory<TPMS_CAPABILITY_DATA> data(memory);
    const TPML_PCR_SELECTION &list = data->data.assignedPCR;
    std::vector<std::string> banks;
    for (UINT32 i = 0; i < list.count && i < TPM2_NUM_PCR_BANKS; ++i) {
        const TPMS_PCR_SELECTION &bank = list.pcrSelections[i];
        bool allocated = false;
        for (UINT8 byte = 0; byte < bank.sizeofSelect && byte < TPM2_PCR_SELECT_MAX; ++byte)
            allocated = allocated || bank.pcrSelect[byte] != 0;
        if (allocated) banks.push_back(algorithmName(bank.hash));
    }
    return banks;
}

Json lockoutJson(const Properties &properties) {
    const UINT32 permanent = valueOf(properties, TPM2_PT_PERMANENT);
    return {{"active", (permanent & TPMA_PERMANENT_INLOCKOUT) != 0},
            {"failures", valueOf(properties, TPM2_PT_LOCKOUT_COUNTER)},
            {"limit", valueOf(properties, TPM2_PT_MAX_AUTH_FAIL)},
            {"recoverySeconds", valueOf(properties, TPM2_PT_LOCKOUT_INTERVAL)}};
}

base::Result<Json> pcrsJson(Connection &connection) {
    std::vector<unsigned> all(kBankSize);
    for (unsigned pcr = 0; pcr < kBankSize; ++pcr) all[pcr] = pcr;
    auto values = readPcrs(connection, all);
    if (!values && values.error().code == base::ErrorCode::Unsupported) return Json(nullptr);
    if (!values) return base::fail(std::move(values).error());
    Json json = Json::object();
    for (const auto &[pcr, value] : *values) json[std::to_string(pcr)] = base::toHex(value);
    return json;
}

base::Result<std::string> describeNow(const Access &access) {
    VC_ASSIGN(const std::string tcti, chooseTcti(access));
    VC_ASSIGN(const auto connection, Connection::open(access));
    Properties properties;
    VC_TRY(readProperties(*connection, TPM2_PT_FAMILY_INDICATOR, properties));
    VC_TRY(readProperties(*connection, TPM2_PT_PERMANENT, properties));
    VC_ASSIGN(const auto banks, banksOf(*connection));
    VC_ASSIGN(const auto root, findStorageRootKind(*connection));
    VC_ASSIGN(Json pcrs, pcrsJson(*connection));
    const UINT32 firmware = valueOf(properties, TPM2_PT_FIRMWARE_VERSION_1);
    const std::string revision = std::to_string(valueOf(properties, TPM2_PT_REVISION));
    const Json json{
        {"tcti", tcti},
        {"manufacturer", letters(valueOf(properties, TPM2_PT_MANUFACTURER))},
        {"firmware", std::to_string(firmware >> 16U) + "." + std::to_string(firmware & 0xFFFFU)},
        {"specification",
         letters(valueOf(properties, TPM2_PT_FAMILY_INDICATOR)) + " revision " + revision},
        {"banks", banks},
        {"storageRoot", root.empty() ? Json(nullptr) : Json(root)},
        {"lockout", lockoutJson(properties)},
        {"pcrs", std::move(pcrs)}};
    return json.dump();
}

}  // namespace

base::Result<Json> describe(const Access &access) {
    VC_ASSIGN(const base::SecretBuffer answer,
              runBounded(access.timeoutMs, [&]() -> base::Result<base::SecretBuffer> {
                  VC_ASSIGN(const std::string text, describeNow(access));
                  return base::SecretBuffer::copyOf(text);
              }));
    Json report = base::parseForeignJson({answer.chars(), answer.size()});
    if (!report.is_object())
        return base::fail(base::ErrorCode::Internal, "the report on the TPM cannot be read");
    return report;
}

base::Status wouldUnseal(const Access &access, const SealedKey &key) {
    const auto task = [&]() -> base::Result<base::SecretBuffer> {
        VC_TRY(wouldUnsealNow(access, key));
        return base::SecretBuffer();
    };
    VC_TRY(runBounded(access.timeoutMs, task));
    return {};
}

}  // namespace volumecrypt::tpm

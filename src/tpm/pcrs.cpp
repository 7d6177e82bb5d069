// SPDX-License-Identifier: Apache-2.0
// Reading PCRs one by one: a TPM may return fewer at a time than it was asked for.
#include "tpm/pcrs.h"

#include <algorithm>
#include <string>

#include "crypto/digest.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

bool isAll(const std::string &value, char byte) {
    return std::all_of(value.begin(), value.end(), [byte](char c) { return c == byte; });
}

}  // namespace

TPML_PCR_SELECTION selectionOf(const std::vector<unsigned> &pcrs) {
    TPML_PCR_SELECTION selection{};
    selection.count = 1;
    selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
    const PcrSelect select = pcrSelect(pcrs);
    selection.pcrSelections[0].sizeofSelect = static_cast<UINT8>(select.size());
    static_assert(std::tuple_size_v<PcrSelect> <= TPM2_PCR_SELECT_MAX);
    std::copy(select.begin(), select.end(), std::begin(selection.pcrSelections[0].pcrSelect));
    return selection;
}

base::Result<PcrValues> readPcrs(Connection &connection, const std::vector<unsigned> &pcrs) {
    PcrValues values;
    for (const unsigned pcr : pcrs) {
        const TPML_PCR_SELECTION selection = selectionOf({pcr});
        TPML_DIGEST *memory = nullptr;
        VC_TRY(connection.check(
            "read PCR " + std::to_string(pcr),
            connection.tss().Esys_PCR_Read(connection.esys(), ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &selection, nullptr, nullptr, &memory)));
        const EsysMemory<TPML_DIGEST> digests(memory);
        if (digests->count != 1 || digests->digests[0].size != crypto::kSha256Size)
            return base::fail(
                ErrorCode::Unsupported,
                "the TPM has no PCR " + std::to_string(pcr) + " in a SHA-256 bank",
                "Turn the SHA-256 bank on in the firmware (`tpm2_pcrallocate` does it "
                "too), or declare another key kind.");
        values[pcr].assign(reinterpret_cast<const char *>(digests->digests[0].buffer),
                           crypto::kSha256Size);
    }
    return values;
}

base::Status checkMeasured(const PcrValues &values) {
    for (const auto &[pcr, value] : values) {
        const bool zeros = isAll(value, '\0');
        if (!zeros && !isAll(value, '\xFF')) continue;
        return base::fail(ErrorCode::Unsupported,
                          "PCR bank " + std::to_string(pcr) + " is populated with all " +
                              (zeros ? "zeroes" : "0xFF") +
                              ": nothing was measured into this PCR in the SHA-256 bank",
                          "Choose PCRs that this machine's firmware and boot loader measure into; "
                          "`volumecryptctl tpm` shows them.");
    }
    return {};
}

}  // namespace volumecrypt::tpm

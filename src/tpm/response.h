// SPDX-License-Identifier: Apache-2.0
// The one place where codes of tpm2-tss become errors of ours.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace volumecrypt::tpm {

// `code`: a TSS2_RC that is not success. TpmLockout, PcrMismatch, ForeignTpm; anything else is
// TpmUnavailable. Its text is "WHAT: what tpm2-tss calls the code".
base::Error responseError(std::string_view what, std::uint32_t code);

// Whether the TPM says that a handle holds nothing.
bool isNoSuchHandle(std::uint32_t code);
// Whether what was used has another password than the one given.
bool isWrongPassword(std::uint32_t code);
// Whether a PCR was extended between two steps of a policy: worth doing again.
bool isPcrChanged(std::uint32_t code);

}  // namespace volumecrypt::tpm

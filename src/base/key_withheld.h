// SPDX-License-Identifier: Apache-2.0
// Failures of what gives a key, not of the key itself.
#pragma once

#include "base/error.h"

namespace volumecrypt::base {

// The KMS, the TPM or STATE does not give a key: another one may open the volume.
constexpr bool isKeyWithheld(ErrorCode code) {
    switch (code) {
        case ErrorCode::KmsUnreachable:
        case ErrorCode::KmsRejected:
        case ErrorCode::SaltUnavailable:
        case ErrorCode::TpmUnavailable:
        case ErrorCode::TpmLockout:
        case ErrorCode::PcrMismatch:
        case ErrorCode::ForeignTpm:
            return true;
        default:
            return false;
    }
}

}  // namespace volumecrypt::base

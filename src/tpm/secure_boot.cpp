// SPDX-License-Identifier: Apache-2.0
// EFI variables as files: four bytes of attributes, then the value.
#include "tpm/secure_boot.h"

#include <string>

#include "base/files.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr std::size_t kVariableAttributes = 4;

// Absent variables are false.
bool isSet(const model::SystemPaths &paths, const std::string &name) {
    const auto content = base::readFile(
        paths.below("/sys/firmware/efi/efivars/" + name + "-8be4df61-93ca-11d2-aa0d-00e098032b8c"),
        64);
    return content && content->size() > kVariableAttributes && (*content)[kVariableAttributes] == 1;
}

}  // namespace

base::Status requireSecureBoot(const model::SystemPaths &paths) {
    if (!isSet(paths, "SecureBoot"))
        return base::fail(
            ErrorCode::InvalidConfig,
            "failed to enroll the TPM2 key, as SecureBoot is disabled (and "
            "checkSecurebootOnEnroll is enabled)",
            "Turn Secure Boot on, or remove checkSecurebootStatusOnEnroll from the key.");
    if (isSet(paths, "SetupMode"))
        return base::fail(
            ErrorCode::InvalidConfig,
            "failed to enroll the TPM2 key, as the system is in SecureBoot setup mode (and "
            "checkSecurebootOnEnroll is enabled)",
            "Enrol the Secure Boot keys, or remove checkSecurebootStatusOnEnroll from the key.");
    return {};
}

}  // namespace volumecrypt::tpm

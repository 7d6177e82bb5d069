// SPDX-License-Identifier: Apache-2.0
// The closed list of errors of the project, and the value that carries one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::base {

// The names are the last part of the D-Bus error names (org.example.VolumeCrypt.Error.NAME) and the
// `code` member of the engine's JSON lines.
enum class ErrorCode {
    InvalidConfig,
    NotFound,
    Busy,
    NotAuthorized,
    NoUsableKey,
    KeyRejected,
    LastKey,
    SlotInUse,
    NotBlank,
    NotLuks2,
    EncryptedNotDeclared,
    AmbiguousDevice,
    ForeignVolume,
    VolumeVanished,
    HeaderCorrupt,
    HeaderRefused,
    TpmUnavailable,
    TpmLockout,
    PcrMismatch,
    ForeignTpm,
    KmsUnreachable,
    KmsRejected,
    SaltUnavailable,
    NoSpace,
    Unsupported,
    Cancelled,
    Io,
    Internal,
};

std::string_view errorName(ErrorCode code);
std::optional<ErrorCode> errorFromName(std::string_view name);
// Every code, in the order above; for tables and tests.
const std::vector<ErrorCode> &allErrorCodes();

// What happened (message: to which volume and slot), and what to do next (hint: sentences, with
// commands between backticks). A value, never a state.
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
    std::string hint;
    bool retry = false;  // the same call may succeed later with no change by anybody
    std::optional<unsigned> slot;

    Error() = default;
    Error(ErrorCode what, std::string text, std::string advice = {});

    // Prefixes the message with what was being done: "CONTEXT: MESSAGE".
    Error &&because(std::string_view context) &&;
    Error &&withHint(std::string_view text) &&;
    Error &&withSlot(unsigned number) &&;
    Error &&withRetry() &&;
};

// An Error whose message ends with the text of `errnoValue`. ENOENT, ENXIO, ENODEV and ENOMEDIUM
// are NotFound, EBUSY is Busy, ENOSPC is NoSpace, everything else Io.
Error errnoError(std::string_view what, int errnoValue);

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

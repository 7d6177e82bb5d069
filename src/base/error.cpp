// SPDX-License-Identifier: Apache-2.0
// Names of the error codes and the translation of errno.
#include "base/error.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace volumecrypt::base {
namespace {

constexpr std::array<std::pair<ErrorCode, std::string_view>, 28> kNames{{
    {ErrorCode::InvalidConfig, "InvalidConfig"},
    {ErrorCode::NotFound, "NotFound"},
    {ErrorCode::Busy, "Busy"},
    {ErrorCode::NotAuthorized, "NotAuthorized"},
    {ErrorCode::NoUsableKey, "NoUsableKey"},
    {ErrorCode::KeyRejected, "KeyRejected"},
    {ErrorCode::LastKey, "LastKey"},
    {ErrorCode::SlotInUse, "SlotInUse"},
    {ErrorCode::NotBlank, "NotBlank"},
    {ErrorCode::NotLuks2, "NotLuks2"},
    {ErrorCode::EncryptedNotDeclared, "EncryptedNotDeclared"},
    {ErrorCode::AmbiguousDevice, "AmbiguousDevice"},
    {ErrorCode::ForeignVolume, "ForeignVolume"},
    {ErrorCode::VolumeVanished, "VolumeVanished"},
    {ErrorCode::HeaderCorrupt, "HeaderCorrupt"},
    {ErrorCode::HeaderRefused, "HeaderRefused"},
    {ErrorCode::TpmUnavailable, "TpmUnavailable"},
    {ErrorCode::TpmLockout, "TpmLockout"},
    {ErrorCode::PcrMismatch, "PcrMismatch"},
    {ErrorCode::ForeignTpm, "ForeignTpm"},
    {ErrorCode::KmsUnreachable, "KmsUnreachable"},
    {ErrorCode::KmsRejected, "KmsRejected"},
    {ErrorCode::SaltUnavailable, "SaltUnavailable"},
    {ErrorCode::NoSpace, "NoSpace"},
    {ErrorCode::Unsupported, "Unsupported"},
    {ErrorCode::Cancelled, "Cancelled"},
    {ErrorCode::Io, "Io"},
    {ErrorCode::Internal, "Internal"},
}};

ErrorCode codeOfErrno(int value) {
    switch (value) {
        case ENOENT:
        case ENXIO:
        case ENODEV:
        case ENOMEDIUM:
            return ErrorCode::NotFound;
        case EBUSY:
            return ErrorCode::Busy;
        case ENOSPC:
            return ErrorCode::NoSpace;
        default:
            return ErrorCode::Io;
    }
}

}  // namespace

std::string_view errorName(ErrorCode code) {
    for (const auto &[value, name] : kNames)
        if (value == code) return name;
    return "Internal";
}

std::optional<ErrorCode> errorFromName(std::string_view name) {
    for (const auto &[value, text] : kNames)
        if (text == name) return value;
    return std::nullopt;
}

const std::vector<ErrorCode> &allErrorCodes() {
    static const std::vector<ErrorCode> codes = [] {
        std::vector<ErrorCode> list;
        list.reserve(kNames.size());
        for (const auto &entry : kNames) list.push_back(entry.first);
        return list;
    }();
    return codes;
}

Error::Error(ErrorCode what, std::string text, std::string advice)
    : code(what), message(std::move(text)), hint(std::move(advice)) {}

Error &&Error::because(std::string_view context) && {
    message = std::string(context) + ": " + message;
    return std::move(*this);
}

Error &&Error::withHint(std::string_view text) && {
    hint = text;
    return std::move(*this);
}

Error &&Error::withSlot(unsigned number) && {
    slot = number;
    return std::move(*this);
}

Error &&Error::withRetry() && {
    retry = true;
    return std::move(*this);
}

Error errnoError(std::string_view what, int errnoValue) {
    return {codeOfErrno(errnoValue),
            std::string(what) + ": " + std::generic_category().message(errnoValue)};
}

}  // namespace volumecrypt::base

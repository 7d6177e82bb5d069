// SPDX-License-Identifier: Apache-2.0
// D-Bus error names and what they mean for the person at the command line.
#include "cli/client_error.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace volumecrypt::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kOurs = kErrorPrefix;
constexpr std::string_view kStandard = "org.freedesktop.DBus.Error.";

// D-Bus carries no retry flag: these pass by themselves, or when somebody else is done.
bool isWorthRetrying(ErrorCode code) {
    constexpr std::array kPassing{ErrorCode::Busy, ErrorCode::KmsUnreachable,
                                  ErrorCode::SaltUnavailable, ErrorCode::TpmLockout};
    return std::find(kPassing.begin(), kPassing.end(), code) != kPassing.end();
}

Error ours(std::string_view name, const std::string &message) {
    Error error;
    error.code = base::errorFromName(name).value_or(ErrorCode::Internal);
    error.retry = isWorthRetrying(error.code);
    const auto newline = message.find('\n');
    error.message = message.substr(0, newline);
    if (newline != std::string::npos) error.hint = message.substr(newline + 1);
    while (!error.hint.empty() && error.hint.back() == '\n') error.hint.pop_back();
    if (error.message.empty()) error.message = name;
    return error;
}

Error make(ErrorCode code, std::string message, std::string hint, bool retry = false) {
    Error error(code, std::move(message), std::move(hint));
    error.retry = retry;
    return error;
}

template <std::size_t N>
bool isOneOf(std::string_view name, const std::array<std::string_view, N> &names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

Error standard(std::string_view name, const std::string &message) {
    constexpr std::array<std::string_view, 3> kAbsent{"ServiceUnknown", "NameHasNoOwner",
                                                      "Spawn.ServiceNotFound"};
    constexpr std::array<std::string_view, 3> kDenied{"AccessDenied", "AuthFailed",
                                                      "InteractiveAuthorizationRequired"};
    constexpr std::array<std::string_view, 4> kBroken{"NoReply", "Timeout", "TimedOut",
                                                      "Disconnected"};
    constexpr std::array<std::string_view, 4> kOld{"UnknownMethod", "UnknownInterface",
                                                   "UnknownProperty", "InvalidArgs"};
    if (isOneOf(name, kAbsent))
        return make(ErrorCode::NotFound, "the VolumeCrypt service is not on the bus",
                    "Is VolumeCrypt installed, and the bus reloaded since? See `systemctl status "
                    "volumecrypt.service`.");
    if (name.starts_with("Spawn."))
        return make(ErrorCode::Internal, "the VolumeCrypt service does not start: " + message,
                    "`journalctl -u volumecrypt.service` says why.");
    if (isOneOf(name, kDenied))
        return make(ErrorCode::NotAuthorized, "not authorised: " + message,
                    "Run it as root, or let polkit ask with --ask.");
    if (isOneOf(name, kBroken))
        return make(ErrorCode::Io, "the VolumeCrypt service went away without an answer",
                    "`journalctl -u volumecrypt.service` says why; then try again.", true);
    if (isOneOf(name, kOld))
        return make(ErrorCode::Unsupported, "the running service does not do this: " + message,
                    "It may be of another version: `systemctl restart volumecrypt.service`.");
    if (name == "LimitsExceeded")
        return make(ErrorCode::Busy, "the service or the bus takes no more: " + message,
                    "Wait until what you asked for before is answered; then try again.", true);
    if (name == "UnknownObject")
        return make(ErrorCode::NotFound, "the service no longer knows this object",
                    "`volumecryptctl list` and `volumecryptctl jobs` show what there is.");
    return make(ErrorCode::Internal, message.empty() ? std::string(name) : message, {});
}

}  // namespace

Error errorFromBus(const std::string &name, const std::string &message) {
    const std::string_view view(name);
    if (view.starts_with(kOurs)) return ours(view.substr(kOurs.size()), message);
    if (view.starts_with(kStandard)) return standard(view.substr(kStandard.size()), message);
    // Names that libsystemd makes of errno, here of a connection that breaks.
    if (view.starts_with("System.Error."))
        return make(ErrorCode::Io, "the connection to the bus broke: " + message, {}, true);
    // What systemd says when it cannot start the bus-activated unit.
    if (view.starts_with("org.freedesktop.systemd1."))
        return make(ErrorCode::Internal, "the VolumeCrypt service does not start: " + message,
                    "See `systemctl status volumecrypt.service`.");
    return make(ErrorCode::Internal, message.empty() ? name : message + " (" + name + ")", {});
}

}  // namespace volumecrypt::cli

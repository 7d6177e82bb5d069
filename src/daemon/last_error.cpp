// SPDX-License-Identifier: Apache-2.0
// Which verbs and codes say something of a volume.
#include <algorithm>
#include <array>

#include "daemon/volume_table.h"

namespace volumecrypt::daemon {
namespace {

using base::ErrorCode;

template <typename Value, std::size_t N>
bool isOneOf(const Value &value, const std::array<Value, N> &values) {
    return std::find(values.begin(), values.end(), value) != values.end();
}

bool opens(std::string_view verb) {
    return verb == "attach" || verb == "unlock";
}

bool closes(std::string_view verb) {
    return verb == "detach" || verb == "lock";
}

// Those that somebody asks for, about one key or with data at stake.
bool isRequest(std::string_view verb) {
    constexpr std::array<std::string_view, 7> kRequests{"add-key", "remove-key", "rotate", "format",
                                                        "wipe",    "erase",      "forget"};
    return isOneOf(verb, kRequests);
}

// Another volume, or none, is there afterwards.
bool makesAnew(std::string_view verb) {
    constexpr std::array<std::string_view, 4> kAnew{"format", "wipe", "erase", "forget"};
    return isOneOf(verb, kAnew);
}

bool changesKeys(std::string_view verb) {
    return verb == "sync" || (isRequest(verb) && !makesAnew(verb));
}

}  // namespace

bool isRefusal(std::string_view verb, ErrorCode code, bool isOpen) {
    switch (code) {
        case ErrorCode::NotAuthorized:
        case ErrorCode::KeyRejected:  // of a secret that somebody gave
            return true;
        case ErrorCode::Busy:
            // One that cannot be opened since its device is in use stays closed: that is to be
            // seen.
            return verb != "inspect" && (!opens(verb) || isOpen);
        case ErrorCode::InvalidConfig:
        case ErrorCode::NotFound:
        case ErrorCode::SlotInUse:
        case ErrorCode::LastKey:
        case ErrorCode::NotBlank:
        case ErrorCode::NotLuks2:
        case ErrorCode::NoSpace:
        case ErrorCode::Unsupported:
            return isRequest(verb);
        default:
            return false;
    }
}

bool endsError(std::string_view verb, std::string_view failed) {
    if (verb == failed || makesAnew(verb)) return true;
    if (opens(failed)) return opens(verb) || verb == "sync";
    if (closes(failed)) return closes(verb) || opens(verb);
    return changesKeys(failed) && verb == "sync";
}

}  // namespace volumecrypt::daemon

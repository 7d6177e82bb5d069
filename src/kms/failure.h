// SPDX-License-Identifier: Apache-2.0
// The one translation of failed calls into our errors.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"

namespace volumecrypt::kms {

// What looking at a server's certificate brought.
enum class TlsFault {
    None,  // it is in order
    UnknownAuthority,
    WrongName,
    Expired,
    NotYetValid,
    Other
};

struct TlsFinding {
    TlsFault fault = TlsFault::None;
    std::string detail;  // OpenSSL's words
};

struct CallFailure {
    std::string endpoint;
    std::string host;
    std::string node;
    bool clientCertificate = false;
    bool ownAuthority = false;  // caFile was declared
    int timeoutMs = 0;
    int status = 0;       // a gRPC status code
    std::string message;  // the server's or gRPC's own words
    std::optional<TlsFinding> finding;
};

// KmsUnreachable with retry when trying again may help; without when somebody has to change a
// certificate first. KmsRejected when the server said no. InvalidConfig when the declared
// certificates are of no use.
base::Error kmsError(const CallFailure &failure);

}  // namespace volumecrypt::kms

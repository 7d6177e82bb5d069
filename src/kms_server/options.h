// SPDX-License-Identifier: Apache-2.0
// The command line of volumecrypt-kms-server.
#pragma once

#include <string>
#include <variant>

#include "kms_server/connections.h"

namespace volumecrypt::kms_server {

struct Options {
    std::string listen;
    std::string keyDir;  // exactly one of the two
    std::string keyFile;
    std::string keyPrefix;  // of the names in keyDir
    std::string tlsCert;    // both, or neither with `plaintext`
    std::string tlsKey;
    std::string clientCa;           // clients need a certificate of this authority
    bool matchCertificate = false;  // and the node's UUID must be a name in it
    bool plaintext = false;
    Limits limits;
    // Seconds that a connection has: for its handshakes, without a call, and altogether.
    unsigned handshakeTimeout = 10;
    unsigned idleTimeout = 30;
    unsigned maxAge = 300;
};

// The options, or the exit status after help, version or a usage error has been printed.
std::variant<Options, int> parseOptions(int argc, const char *const *argv);

}  // namespace volumecrypt::kms_server

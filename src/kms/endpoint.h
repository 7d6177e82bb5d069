// SPDX-License-Identifier: Apache-2.0
// Where a KMS is, from the text in the configuration.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::kms {

struct Endpoint {
    bool tls = true;
    std::string host;        // without brackets
    unsigned interface = 0;  // through which a link-local address is reached; 0 for any
    unsigned port = 443;

    // "host:port" as in a URL, with brackets around an IPv6 address.
    [[nodiscard]] std::string authority() const;
};

// As Talos: no scheme or `grpc` is plaintext, every other scheme TLS; the port is 443 unless given;
// what follows the authority is ignored. The zone of an IPv6 address is "%eth0" or, as in a URL,
// "%25eth0". InvalidConfig; KmsUnreachable with retry when there is no such interface now.
base::Result<Endpoint> parseEndpoint(std::string_view text);

}  // namespace volumecrypt::kms

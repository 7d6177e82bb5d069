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

// As Talos (Go) reads the environment: HTTPS_PROXY or https_proxy, unless NO_PROXY or no_proxy
// names the host; never for this machine itself. gRPC looks for other variables, which are set to
// the same. Returns whether the call goes through a proxy.
bool adoptProxy(const std::string &host);

}  // namespace volumecrypt::kms

// SPDX-License-Identifier: Apache-2.0
// Where a KMS is, from the text in the configuration.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::kms {

struct Endpoint {
    bool tls = true;
    std::string host;  // without brackets
    unsigned port = 443;

    // "host:port", with brackets around an IPv6 address.
    [[nodiscard]] std::string authority() const;
};

// As Talos: no scheme or `grpc` is plaintext, every other scheme TLS; the port is 443 unless given;
// what follows the authority is ignored. InvalidConfig.
base::Result<Endpoint> parseEndpoint(std::string_view text);

}  // namespace volumecrypt::kms

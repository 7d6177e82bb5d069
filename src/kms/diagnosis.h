// SPDX-License-Identifier: Apache-2.0
// Finds out why a TLS handshake failed.
#pragma once

#include <chrono>
#include <optional>

#include "kms/client.h"
#include "kms/endpoint.h"
#include "kms/failure.h"

namespace volumecrypt::kms {

// gRPC does not tell why it refused a server's certificate. This connects once more, looks at the
// certificate in the same way as OpenSSL did for gRPC, and refuses it in any case: nothing is ever
// sent to the server. Empty when there is no certificate to be had.
std::optional<TlsFinding> diagnose(const Endpoint &endpoint, const Certificates &certificates,
                                   bool throughProxy,
                                   std::chrono::system_clock::time_point deadline);

}  // namespace volumecrypt::kms

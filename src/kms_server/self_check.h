// SPDX-License-Identifier: Apache-2.0
// Whether the server still answers those who connect.
#pragma once

#include "base/result.h"
#include "kms_server/acceptor.h"

namespace volumecrypt::kms_server {

// Connects to the server's own listening sockets over the network, as anybody does, and waits for
// the first bytes of an answer: a TLS handshake, or the beginning of HTTP/2. Io says what did not
// happen. An address that cannot be reached from here says nothing of the server: then it is fine.
base::Status checkSelf(Acceptor &acceptor, bool tls);

}  // namespace volumecrypt::kms_server

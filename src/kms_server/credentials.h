// SPDX-License-Identifier: Apache-2.0
// The server's certificates.
#pragma once

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "base/result.h"
#include "kms_server/options.h"

namespace volumecrypt::kms_server {

// InvalidConfig when a file holds nothing of the kind, or the key is another certificate's: gRPC
// would only find out, and not tell, when somebody connects.
base::Result<std::shared_ptr<grpc::ServerCredentials>> credentialsFor(const Options &options);

}  // namespace volumecrypt::kms_server

// SPDX-License-Identifier: Apache-2.0
// What is done with a request.
#pragma once

#include <memory>

#include <grpcpp/impl/service_type.h>

#include "kms_server/key_store.h"

namespace volumecrypt::kms_server {

// Every request leaves a line in the journal.
std::unique_ptr<grpc::Service> makeHandler(KeyStore keys, bool matchCertificate);

}  // namespace volumecrypt::kms_server

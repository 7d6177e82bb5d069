// SPDX-License-Identifier: Apache-2.0
// One Seal or Unseal call.
#pragma once

#include <string>

#include "base/kms_message.h"
#include "base/result.h"
#include "base/secret_buffer.h"
#include "kms/endpoint.h"

namespace volumecrypt::kms {

// PEM text, read before the sandbox closes. All empty for a plaintext endpoint.
struct Certificates {
    std::string roots;  // whom to trust as a server
    std::string clientChain;
    std::string clientKey;
};

// The declared files; the system's CA bundle when no caFile is declared. InvalidConfig.
base::Result<Certificates> readCertificates(const base::KmsRequest &request,
                                            const Endpoint &endpoint);

// The bytes of the answer, which are not empty. KmsUnreachable (mostly with retry), KmsRejected;
// messages name the endpoint.
base::Result<base::SecretBuffer> call(const base::KmsRequest &request, const Endpoint &endpoint,
                                      const Certificates &certificates);

}  // namespace volumecrypt::kms

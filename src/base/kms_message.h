// SPDX-License-Identifier: Apache-2.0
// What volumecrypt-kms is asked on its standard input, and what it answers on its standard output.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::base {

enum class KmsOperation { Seal, Unseal };

// As envelope (base/envelope.h), a request has the fields operation (seal, unseal), endpoint, node
// and timeout (milliseconds), and where they are given ca-file, client-cert-file and
// client-key-file; its data is the key to seal, or the sealed key.
struct KmsRequest {
    KmsOperation operation = KmsOperation::Unseal;
    std::string endpoint;
    std::string node;  // UUID of this machine
    std::string caFile;
    std::string clientCertFile;
    std::string clientKeyFile;
    int timeoutMs = 10'000;
    SecretBuffer data;
};

// Requests and answers are at most this long, and so is the data in them.
inline constexpr std::size_t kLongestKmsMessage = std::size_t{64} << 10;

Result<SecretBuffer> encodeKmsRequest(const KmsRequest &request);
Result<KmsRequest> decodeKmsRequest(const SecretBuffer &bytes);

// An answer has status `ok` and the sealed or unsealed key as its data, or as status the name of an
// error, with the fields message, hint and retry (yes, no) and no data.
Result<SecretBuffer> encodeKmsAnswer(const Result<SecretBuffer> &answer);
Result<SecretBuffer> decodeKmsAnswer(const SecretBuffer &bytes);

}  // namespace volumecrypt::base

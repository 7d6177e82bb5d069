// SPDX-License-Identifier: Apache-2.0
// Requests to and answers from volumecrypt-kms as envelopes.
#include "base/kms_message.h"

#include <charconv>
#include <utility>

#include "base/envelope.h"
#include "base/text.h"

namespace volumecrypt::base {
namespace {

constexpr std::size_t kLongestText = 1024;

void addUnlessEmpty(Envelope &envelope, const char *name, const std::string &value) {
    if (!value.empty()) envelope.fields.emplace(name, value);
}

auto malformedKms(const std::string &what) {
    return fail(ErrorCode::Internal, "malformed message of volumecrypt-kms: " + what);
}

}  // namespace

Result<SecretBuffer> encodeKmsRequest(const KmsRequest &request) {
    Envelope envelope;
    envelope.fields = {{"operation", request.operation == KmsOperation::Seal ? "seal" : "unseal"},
                       {"endpoint", request.endpoint},
                       {"node", request.node},
                       {"timeout", std::to_string(request.timeoutMs)}};
    addUnlessEmpty(envelope, "ca-file", request.caFile);
    addUnlessEmpty(envelope, "client-cert-file", request.clientCertFile);
    addUnlessEmpty(envelope, "client-key-file", request.clientKeyFile);
    envelope.data = SecretBuffer::copyOf(request.data.bytes());
    return envelope.encode();
}

Result<KmsRequest> decodeKmsRequest(const SecretBuffer &bytes) {
    VC_ASSIGN(Envelope envelope, Envelope::decode(bytes));
    const std::string operation = envelope.field("operation");
    if (operation != "seal" && operation != "unseal") return malformedKms("no such operation");
    KmsRequest request{
        .operation = operation == "seal" ? KmsOperation::Seal : KmsOperation::Unseal,
        .endpoint = envelope.field("endpoint"),
        .node = envelope.field("node"),
        .caFile = envelope.field("ca-file"),
        .clientCertFile = envelope.field("client-cert-file"),
        .clientKeyFile = envelope.field("client-key-file"),
        .data = std::move(envelope.data),
    };
    const std::string timeout = envelope.field("timeout");
    const char *end = timeout.data() + timeout.size();
    const auto [rest, error] = std::from_chars(timeout.data(), end, request.timeoutMs);
    if (error != std::errc() || rest != end || request.timeoutMs <= 0)
        return malformedKms("no time limit");
    return request;
}

Result<SecretBuffer> encodeKmsAnswer(const Result<SecretBuffer> &answer) {
    Envelope envelope;
    if (answer) {
        envelope.fields = {{"status", "ok"}};
        envelope.data = SecretBuffer::copyOf(answer->bytes());
        return envelope.encode();
    }
    const Error &error = answer.error();
    envelope.fields = {{"status", std::string(errorName(error.code))},
                       {"message", printableText(error.message, kLongestText)},
                       {"hint", printableText(error.hint, kLongestText)},
                       {"retry", error.retry ? "yes" : "no"}};
    return envelope.encode();
}

Result<SecretBuffer> decodeKmsAnswer(const SecretBuffer &bytes) {
    VC_ASSIGN(Envelope envelope, Envelope::decode(bytes));
    const std::string status = envelope.field("status");
    if (status == "ok") return std::move(envelope.data);
    const auto code = errorFromName(status);
    if (!code) return malformedKms("no such status");
    Error error(*code, envelope.field("message"), envelope.field("hint"));
    error.retry = envelope.field("retry") == "yes";
    return fail(std::move(error));
}

}  // namespace volumecrypt::base

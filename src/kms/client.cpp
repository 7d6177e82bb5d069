// SPDX-License-Identifier: Apache-2.0
// The gRPC client.
#include "kms/client.h"

#include <chrono>
#include <memory>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "base/files.h"
#include "kms.grpc.pb.h"
#include "kms/diagnosis.h"
#include "kms/endpoint.h"
#include "kms/failure.h"

namespace volumecrypt::kms {
namespace {

using base::ErrorCode;

constexpr std::size_t kLongestCertificateFile = std::size_t{4} << 20;
// Debian, Fedora, SUSE.
constexpr const char *kSystemBundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                          "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/ca-bundle.pem"};

base::Result<std::string> readPem(const char *field, const std::string &path) {
    auto text = base::readFile(path, kLongestCertificateFile);
    if (!text)
        return base::fail(ErrorCode::InvalidConfig,
                          std::string(field) + ": " + text.error().message,
                          "Correct the path in the volume's `kms` key.");
    if (text->find("-----BEGIN ") == std::string::npos)
        return base::fail(ErrorCode::InvalidConfig,
                          std::string(field) + ": " + path + " holds nothing in PEM format",
                          "Convert it with `openssl x509` or `openssl pkey`.");
    return text;
}

base::Result<std::string> systemRoots() {
    for (const char *path : kSystemBundles)
        if (auto text = base::readFile(path, kLongestCertificateFile)) return text;
    return base::fail(ErrorCode::InvalidConfig, "this system has no bundle of CA certificates",
                      "Install ca-certificates, or declare `caFile`.");
}

std::shared_ptr<grpc::ChannelCredentials> credentialsFor(const Endpoint &endpoint,
                                                         const Certificates &certificates) {
    if (!endpoint.tls) return grpc::InsecureChannelCredentials();
    return grpc::SslCredentials({.pem_root_certs = certificates.roots,
                                 .pem_private_key = certificates.clientKey,
                                 .pem_cert_chain = certificates.clientChain});
}

grpc::ChannelArguments channelArguments(bool throughProxy) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(static_cast<int>(base::kLongestKmsMessage));
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, throughProxy ? 1 : 0);
    // The engine decides when to try again.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    // Else the resolver asks for TXT records as well.
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    return arguments;
}

}  // namespace

base::Result<Certificates> readCertificates(const base::KmsRequest &request,
                                            const Endpoint &endpoint) {
    Certificates certificates;
    if (!endpoint.tls) return certificates;
    if (request.caFile.empty()) {
        VC_ASSIGN(certificates.roots, systemRoots());
    } else {
        VC_ASSIGN(certificates.roots, readPem("caFile", request.caFile));
    }
    if (!request.clientCertFile.empty()) {
        VC_ASSIGN(certificates.clientChain, readPem("clientCertFile", request.clientCertFile));
        VC_ASSIGN(certificates.clientKey, readPem("clientKeyFile", request.clientKeyFile));
    }
    return certificates;
}

base::Result<base::SecretBuffer> call(const base::KmsRequest &request, const Endpoint &endpoint,
                                      const Certificates &certificates) {
    const bool throughProxy = adoptProxy(endpoint.host);
    const auto channel = grpc::CreateCustomChannel("dns:///" + endpoint.authority(),
                                                   credentialsFor(endpoint, certificates),
                                                   channelArguments(throughProxy));
    const auto stub = sidero::kms::KMSService::NewStub(channel);
    const auto deadline =
        std::chrono::system_clock::now() + std::chrono::milliseconds(request.timeoutMs);
    grpc::ClientContext context;
    context.set_deadline(deadline);
    sidero::kms::Request message;
    message.set_node_uuid(request.node);
    message.set_data(request.data.chars(), request.data.size());
    sidero::kms::Response response;
    const grpc::Status status = request.operation == base::KmsOperation::Seal
                                    ? stub->Seal(&context, message, &response)
                                    : stub->Unseal(&context, message, &response);
    if (status.ok()) return base::SecretBuffer::copyOf(response.data());

    CallFailure failure{.endpoint = request.endpoint,
                        .host = endpoint.host,
                        .node = request.node,
                        .clientCertificate = !certificates.clientChain.empty(),
                        .ownAuthority = !request.caFile.empty(),
                        .timeoutMs = request.timeoutMs,
                        .status = status.error_code(),
                        .message = status.error_message(),
                        .finding = {}};
    if (endpoint.tls && status.error_code() == grpc::StatusCode::UNAVAILABLE)
        failure.finding = diagnose(endpoint, certificates, throughProxy, deadline);
    return base::fail(kmsError(failure));
}

}  // namespace volumecrypt::kms

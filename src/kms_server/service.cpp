// SPDX-License-Identifier: Apache-2.0
// Seal and Unseal over gRPC, with TLS and client certificates.
#include "kms_server/service.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include "base/envelope.h"
#include "base/files.h"
#include "base/journal.h"
#include "kms.grpc.pb.h"
#include "kms_server/sealing.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;
using grpc::StatusCode;

constexpr std::size_t kLongestCertificateFile = std::size_t{1} << 20;
constexpr int kLongestRequest = 4096;
constexpr int kMostThreads = 64;
constexpr std::size_t kLongestText = 200;

// Names in the client's certificate; empty without one.
std::vector<std::string> namesOf(const grpc::ServerContext &context) {
    std::vector<std::string> names;
    const auto authentication = context.auth_context();
    for (const char *property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME})
        for (const grpc::string_ref &value : authentication->FindPropertyValues(property))
            names.emplace_back(value.data(), value.size());
    return names;
}

void audit(const grpc::ServerContext &context, const char *operation, const std::string &node,
           const grpc::Status &status) {
    const std::vector<std::string> names = namesOf(context);
    const std::string client =
        names.empty() ? "no certificate" : base::printableText(names.front(), kLongestText);
    const std::string shown = base::printableText(node, kLongestText);
    const std::string outcome = status.ok() ? "done" : "refused: " + status.error_message();
    base::log(status.ok() ? base::Severity::Notice : base::Severity::Warning,
              std::string(operation) + " for node " + shown + ", asked by " + context.peer() +
                  " (" + client + "): " + outcome,
              {{"OPERATION", operation},
               {"NODE", shown},
               {"PEER", context.peer()},
               {"CLIENT", client},
               {"OUTCOME", outcome}});
}

// What the client may know of a failure.
grpc::Status statusOf(const base::Error &error) {
    if (error.code == ErrorCode::KeyRejected) return {StatusCode::PERMISSION_DENIED, error.message};
    if (error.code == ErrorCode::NotFound)
        return {StatusCode::NOT_FOUND, "this server has no key for the node"};
    base::log(base::Severity::Error, error.message);
    return {StatusCode::INTERNAL, "the node's key cannot be used"};
}

class Handler : public sidero::kms::KMSService::Service {
  public:
    Handler(KeyStore keys, bool matchCertificate)
        : keys_(std::move(keys)), matchCertificate_(matchCertificate) {}

    grpc::Status Seal(grpc::ServerContext *context, const sidero::kms::Request *request,
                      sidero::kms::Response *response) override {
        grpc::Status status = sealFor(*context, *request, *response);
        audit(*context, "seal", request->node_uuid(), status);
        return status;
    }
    grpc::Status Unseal(grpc::ServerContext *context, const sidero::kms::Request *request,
                        sidero::kms::Response *response) override {
        grpc::Status status = unsealFor(*context, *request, *response);
        audit(*context, "unseal", request->node_uuid(), status);
        return status;
    }

  private:
    [[nodiscard]] grpc::Status check(const grpc::ServerContext &context,
                                     const sidero::kms::Request &request,
                                     std::size_t dataSize) const {
        if (!isNodeUuid(request.node_uuid()))
            return {StatusCode::INVALID_ARGUMENT, "the node's UUID is malformed"};
        if (request.data().size() != dataSize)
            return {StatusCode::INVALID_ARGUMENT, "incorrect data length"};
        if (!matchCertificate_) return grpc::Status::OK;
        const std::vector<std::string> names = namesOf(context);
        const bool matches = std::ranges::any_of(names, [&](const std::string &name) {
            return name == request.node_uuid() || name == "urn:uuid:" + request.node_uuid();
        });
        if (matches) return grpc::Status::OK;
        return {StatusCode::PERMISSION_DENIED, "the client certificate is another node's"};
    }

    [[nodiscard]] grpc::Status sealFor(const grpc::ServerContext &context,
                                       const sidero::kms::Request &request,
                                       sidero::kms::Response &response) const {
        if (auto status = check(context, request, kDataSize); !status.ok()) return status;
        const auto key = keys_.keyFor(request.node_uuid());
        if (!key) return statusOf(key.error());
        const auto sealed = seal(*key, base::SecretBuffer::copyOf(request.data()));
        if (!sealed) return statusOf(sealed.error());
        response.set_data(*sealed);
        return grpc::Status::OK;
    }

    [[nodiscard]] grpc::Status unsealFor(const grpc::ServerContext &context,
                                         const sidero::kms::Request &request,
                                         sidero::kms::Response &response) const {
        if (auto status = check(context, request, kSealedSize); !status.ok()) return status;
        const auto key = keys_.keyFor(request.node_uuid());
        if (!key) return statusOf(key.error());
        const auto data = unseal(*key, request.data());
        if (!data) return statusOf(data.error());
        response.set_data(data->chars(), data->size());
        return grpc::Status::OK;
    }

    KeyStore keys_;
    bool matchCertificate_;
};

base::Result<std::shared_ptr<grpc::ServerCredentials>> credentialsFor(const Options &options) {
    if (options.plaintext) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions tls(
        options.clientCa.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                 : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    VC_ASSIGN(const std::string certificate,
              base::readFile(options.tlsCert, kLongestCertificateFile));
    VC_ASSIGN(const std::string key, base::readFile(options.tlsKey, kLongestCertificateFile));
    if (!options.clientCa.empty()) {
        VC_ASSIGN(tls.pem_root_certs, base::readFile(options.clientCa, kLongestCertificateFile));
    }
    tls.pem_key_cert_pairs.push_back({.private_key = key, .cert_chain = certificate});
    return grpc::SslServerCredentials(tls);
}

class RunningService : public Service {
  public:
    RunningService(const Options &options, KeyStore keys)
        : listen_(options.listen), handler_(std::move(keys), options.matchCertificate) {}
    RunningService(const RunningService &) = delete;
    RunningService &operator=(const RunningService &) = delete;
    RunningService(RunningService &&) = delete;
    RunningService &operator=(RunningService &&) = delete;
    ~RunningService() override {
        // Requests take milliseconds; a connection that idles must not hold the end up.
        if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
    }

    base::Status listen(const std::shared_ptr<grpc::ServerCredentials> &credentials) {
        grpc::ServerBuilder builder;
        grpc::ResourceQuota quota("volumecrypt-kms-server");
        quota.SetMaxThreads(kMostThreads);
        builder.SetResourceQuota(quota);
        builder.SetMaxReceiveMessageSize(kLongestRequest);
        // Two servers on one port would each get some of the requests.
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
        builder.AddListeningPort(listen_, credentials, &port_);
        builder.RegisterService(&handler_);
        server_ = builder.BuildAndStart();
        if (server_ && port_ != 0) return {};
        return base::fail(ErrorCode::Io, "cannot listen on " + listen_,
                          "Is the address in use, or a certificate or key no PEM file?");
    }

    [[nodiscard]] std::string address() const override {
        return listen_.substr(0, listen_.rfind(':')) + ":" + std::to_string(port_);
    }

  private:
    std::string listen_;
    int port_ = 0;
    Handler handler_;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace

base::Result<std::unique_ptr<Service>> Service::start(const Options &options, KeyStore keys) {
    VC_TRY(keys.check());
    VC_ASSIGN(const auto credentials, credentialsFor(options));
    auto service = std::make_unique<RunningService>(options, std::move(keys));
    VC_TRY(service->listen(credentials));
    return service;
}

}  // namespace volumecrypt::kms_server

// SPDX-License-Identifier: Apache-2.0
// gRPC over TLS, behind an acceptor of our own.
#include "kms_server/service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "kms_server/acceptor.h"
#include "kms_server/credentials.h"
#include "kms_server/handler.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;

constexpr int kLongestRequest = 4096;
constexpr int kMostThreads = 64;
// A machine makes one call at a time.
constexpr int kMostCallsPerConnection = 8;
// For all connections: gRPC takes in less, and then no more, as it comes nearer to it.
constexpr std::size_t kMostMemory = std::size_t{128} << 20;
// From the end of a connection's age to that of the calls in it.
constexpr unsigned kLongestGrace = 5;

void limit(grpc::ServerBuilder &builder, const Options &options) {
    const auto milliseconds = [](unsigned seconds) { return static_cast<int>(seconds * 1000); };
    grpc::ResourceQuota quota("volumecrypt-kms-server");
    quota.SetMaxThreads(kMostThreads);
    quota.Resize(kMostMemory);
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(kLongestRequest);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                               milliseconds(options.handshakeTimeout));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds(options.idleTimeout));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, milliseconds(options.maxAge));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                               milliseconds(std::min(options.maxAge, kLongestGrace)));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostCallsPerConnection);
}

class RunningService : public Service {
  public:
    RunningService(const Options &options, KeyStore keys)
        : options_(options), handler_(makeHandler(std::move(keys), options.matchCertificate)) {}
    RunningService(const RunningService &) = delete;
    RunningService &operator=(const RunningService &) = delete;
    RunningService(RunningService &&) = delete;
    RunningService &operator=(RunningService &&) = delete;
    ~RunningService() override {
        acceptor_.reset();
        // Requests take milliseconds; a connection that idles must not hold the end up.
        if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
    }

    base::Status listen(const std::shared_ptr<grpc::ServerCredentials> &credentials) {
        VC_ASSIGN(Listener listener, listenAt(options_.listen));
        using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
        grpc::ServerBuilder builder;
        limit(builder, options_);
        entrance_ =
            builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD, credentials);
        builder.RegisterService(handler_.get());
        server_ = builder.BuildAndStart();
        if (!server_)
            return base::fail(ErrorCode::Internal, "gRPC cannot serve with these certificates");
        acceptor_ = std::make_unique<Acceptor>(
            std::move(listener), options_.limits, [this](base::UniqueFd fd, int socket) {
                grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
                parameters.listener_fd = socket;
                parameters.fd = fd.release();
                entrance_->HandleNewConnection(&parameters);
            });
        return {};
    }

    [[nodiscard]] std::string address() const override { return acceptor_->listener().name; }
    base::Status check() override { return checkSelf(*acceptor_, !options_.plaintext); }

  private:
    Options options_;
    std::unique_ptr<grpc::Service> handler_;
    std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> entrance_;
    std::unique_ptr<grpc::Server> server_;
    std::unique_ptr<Acceptor> acceptor_;
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

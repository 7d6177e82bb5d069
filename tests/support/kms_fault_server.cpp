// SPDX-License-Identifier: Apache-2.0
// A KMS that misbehaves in the way that its argument names.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include <sys/prctl.h>

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include "kms.grpc.pb.h"

namespace {

std::string randomBytes(std::size_t size) {
    static unsigned seed = 1;
    std::string bytes(size, '\0');
    for (char &c : bytes) c = static_cast<char>(::rand_r(&seed));
    return bytes;
}

// As the server of Talos does to a node that it does not know.
class Faulty : public sidero::kms::KMSService::Service {
  public:
    explicit Faulty(std::string mode) : mode_(std::move(mode)) {}

    grpc::Status Seal(grpc::ServerContext *context, const sidero::kms::Request *request,
                      sidero::kms::Response *response) override {
        // These come to light with the sealed key only.
        if (mode_ == "random" || mode_ == "random-unseal" || mode_ == "short-unseal") {
            response->set_data(randomBytes(60));
            return grpc::Status::OK;
        }
        return misbehave(*context, *request, *response);
    }
    grpc::Status Unseal(grpc::ServerContext *context, const sidero::kms::Request *request,
                        sidero::kms::Response *response) override {
        return misbehave(*context, *request, *response);
    }

  private:
    grpc::Status misbehave(grpc::ServerContext &context, const sidero::kms::Request &request,
                           sidero::kms::Response &response) {
        static const std::map<std::string, std::size_t> lengths{
            {"empty", 0},
            {"short-unseal", 31},
            {"long", 33},
            {"random", 32},
            {"random-unseal", 32},
            {"huge", std::size_t{1} << 20},
            {"gigantic", std::size_t{64} << 20}};
        if (mode_ == "die") ::_exit(0);
        if (mode_ == "echo") {
            response.set_data(request.data());
            return grpc::Status::OK;
        }
        if (mode_ == "hostile")
            return {grpc::StatusCode::UNKNOWN, "line\nbreak \x1b[31m" + std::string(4000, 'x')};
        if (mode_ == "slow")
            while (!context.IsCancelled())
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
        if (const auto found = lengths.find(mode_); found != lengths.end())
            response.set_data(randomBytes(found->second));
        return grpc::Status::OK;
    }

    std::string mode_;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) return 64;
    Faulty service(argv[1]);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    const auto server = builder.BuildAndStart();
    if (!server) return 1;
    std::printf("listening on 127.0.0.1:%d\n", port);
    std::fflush(stdout);
    server->Wait();
    return 0;
}

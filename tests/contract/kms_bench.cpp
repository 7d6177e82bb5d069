// SPDX-License-Identifier: Apache-2.0
// For tools/bench: the time of one call of volumecrypt-kms, which starts, connects and leaves, over
// that of the server alone, asked on a connection that is open. Prints one JSON line; not a test.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "kms.grpc.pb.h"
#include "support/kms_place.h"

namespace volumecrypt::test {
namespace {

constexpr int kRounds = 50;

double secondsOf(const std::function<bool()> &call, bool &worked) {
    const auto started = std::chrono::steady_clock::now();
    worked = call() && worked;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

double median(std::vector<double> times) {
    std::ranges::sort(times);
    return times[times.size() / 2];
}

int run() {
    const TempDir directory;
    const base::SecretBuffer bytes = countingBytes();
    const std::string key = directory.write("key", std::string(bytes.chars(), bytes.size()));
    ServerProcess server(kmsServer({"--key-file", key, "--plaintext"}));
    if (server.port() == 0) {
        server.stop();
        std::fputs(server.log().c_str(), stderr);
        return 1;
    }

    const auto stub = sidero::kms::KMSService::NewStub(
        grpc::CreateChannel(server.at("127.0.0.1"), grpc::InsecureChannelCredentials()));
    const auto alone = [&] {
        grpc::ClientContext context;
        sidero::kms::Request request;
        sidero::kms::Response response;
        request.set_node_uuid(kNode);
        request.set_data(std::string(bytes.chars(), bytes.size()));
        return stub->Seal(&context, request, &response).ok();
    };
    const auto ours = [&] {
        return askKms(sealRequest("grpc://" + server.at("127.0.0.1"))).has_value();
    };
    bool worked = alone() && ours();
    std::vector<double> call, peer;
    for (int round = 0; round < kRounds && worked; ++round) {
        call.push_back(secondsOf(ours, worked));
        peer.push_back(secondsOf(alone, worked));
    }
    if (!worked) return 1;
    std::printf(
        "BENCH {\"name\": \"a call to the KMS / the server alone, on an open connection\", "
        "\"goal\": null, \"ours\": %.6f, \"peer\": %.6f}\n",
        median(call), median(peer));
    return 0;
}

}  // namespace
}  // namespace volumecrypt::test

int main() {
    return volumecrypt::test::run();
}

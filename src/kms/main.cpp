// SPDX-License-Identifier: Apache-2.0
// volumecrypt-kms: one request to a KMS, from standard input to standard output.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include <sys/prctl.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/kms_message.h"
#include "build_config.h"
#include "kms/client.h"
#include "kms/endpoint.h"
#include "kms/sandbox.h"

namespace volumecrypt::kms {
namespace {

constexpr int kExitUsage = 64;
constexpr int kInputTimeoutMs = 10'000;
constexpr unsigned kExtraSeconds = 4;  // less than the engine waits

// libcryptsetup's descriptors of devices, which are not all closed on exec.
void closeOthers() {
    constexpr unsigned kFirst = STDERR_FILENO + 1;
    if (::close_range(kFirst, ~0U, 0) == 0) return;
    for (int fd = static_cast<int>(kFirst); fd < 1024; ++fd) (void)::close(fd);
}

base::Result<base::SecretBuffer> answer() {
    VC_ASSIGN(const base::SecretBuffer bytes,
              base::readSecret(STDIN_FILENO, base::kLongestKmsMessage, kInputTimeoutMs));
    VC_ASSIGN(const base::KmsRequest request, base::decodeKmsRequest(bytes));
    VC_ASSIGN(const Endpoint endpoint, parseEndpoint(request.endpoint));
    VC_ASSIGN(const Certificates certificates, readCertificates(request, endpoint));
    // Nobody may have the right to end a process of the sandbox's user.
    (void)::alarm(static_cast<unsigned>(request.timeoutMs) / 1000 + kExtraSeconds);
    VC_TRY(enterSandbox());
    return call(request, endpoint, certificates);
}

base::Result<base::SecretBuffer> guardedAnswer() {
    try {
        return answer();
    } catch (const std::exception &exception) {
        return base::fail(base::ErrorCode::Internal,
                          std::string("unexpected exception: ") + exception.what());
    }
}

int write(const base::SecretBuffer &message) {
    for (std::size_t done = 0; done < message.size();) {
        const ssize_t n = ::write(STDOUT_FILENO, message.chars() + done, message.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return 1;
        done += static_cast<std::size_t>(n);
    }
    return 0;
}

int run() {
    closeOthers();
    (void)::prctl(PR_SET_DUMPABLE, 0);
    // The resolver of the C library knows what this system's names mean; gRPC's own does not ask
    // nsswitch. What gRPC would print is in the answer.
    ::setenv("GRPC_DNS_RESOLVER", "native", 1);
    ::setenv("GRPC_VERBOSITY", "NONE", 0);
    const auto result = guardedAnswer();
    const auto message = base::encodeKmsAnswer(result);
    const int status = message ? write(*message) : 1;
    // A thread of gRPC may still wait for a name server that does not answer.
    ::_exit(status != 0 || result ? status : 1);
}

}  // namespace
}  // namespace volumecrypt::kms

int main(int argc, char **argv) {
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("volumecrypt-kms " VOLUMECRYPT_VERSION);
        return 0;
    }
    if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
        std::puts(
            "usage: volumecrypt-kms [--help | --version]\n"
            "One call to a KMS for volumecrypt-engine: a request on standard input, its answer on\n"
            "standard output.");
        return 0;
    }
    if (argc != 1) {
        std::fputs("usage: volumecrypt-kms [--help | --version]\n", stderr);
        return volumecrypt::kms::kExitUsage;
    }
    return volumecrypt::kms::run();
}

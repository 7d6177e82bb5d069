// SPDX-License-Identifier: Apache-2.0
// volumecrypt-kms-server: seals and unseals the keys of machines.
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>

#include <sys/prctl.h>
#include <sys/resource.h>

#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "base/journal.h"
#include "kms_server/key_store.h"
#include "kms_server/options.h"
#include "kms_server/service.h"

namespace volumecrypt::kms_server {
namespace {

void protectProcess() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
    (void)::prctl(PR_SET_DUMPABLE, 0);
    ::setenv("GRPC_VERBOSITY", "NONE", 0);
}

// Blocked before there are threads, so that only sigwait sees them.
sigset_t blockStopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    (void)::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

int serve(const Options &options) {
    const sigset_t signals = blockStopSignals();
    KeyStore keys = options.keyDir.empty() ? KeyStore::forAll(options.keyFile)
                                           : KeyStore::perNode(options.keyDir, options.keyPrefix);
    const auto service = Service::start(options, std::move(keys));
    if (!service) {
        std::fprintf(stderr, "volumecrypt-kms-server: %s\n", service.error().message.c_str());
        if (!service.error().hint.empty())
            std::fprintf(stderr, "%s\n", service.error().hint.c_str());
        return 1;
    }
    if (options.plaintext)
        base::log(base::Severity::Warning,
                  "serving without TLS: whoever sees the network sees the keys");
    std::printf("listening on %s\n", (*service)->address().c_str());
    std::fflush(stdout);
    (void)::sd_notify(0, "READY=1");
    int signal = 0;
    (void)::sigwait(&signals, &signal);
    (void)::sd_notify(0, "STOPPING=1");
    return 0;
}

}  // namespace
}  // namespace volumecrypt::kms_server

int main(int argc, char **argv) {
    using namespace volumecrypt::kms_server;
    protectProcess();
    const auto options = parseOptions(argc, argv);
    if (const int *status = std::get_if<int>(&options)) return *status;
    try {
        return serve(std::get<Options>(options));
    } catch (const std::exception &exception) {
        std::fprintf(stderr, "volumecrypt-kms-server: %s\n", exception.what());
        return 1;
    }
}

// SPDX-License-Identifier: Apache-2.0
// volumecrypt-kms-server: seals and unseals the keys of machines.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
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

// Of descriptors: for keys that are being read, libraries, and connections that are just ending.
constexpr std::size_t kReserve = 128;

void protectProcess() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
    (void)::prctl(PR_SET_DUMPABLE, 0);
    (void)std::signal(SIGPIPE, SIG_IGN);
    ::setenv("GRPC_VERBOSITY", "NONE", 0);
}

// As many descriptors as there may be, and no more connections than they are enough for.
void raiseDescriptors(Limits &limits) {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) < 0) return;
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
    const std::size_t most =
        files.rlim_cur > 2 * kReserve ? files.rlim_cur - kReserve : files.rlim_cur / 2;
    if (limits.connections <= most) return;
    base::log(base::Severity::Warning, "a limit of " + std::to_string(files.rlim_cur) +
                                           " open files allows no more than " +
                                           std::to_string(most) + " connections");
    limits.connections = most;
}

// Blocked before there are threads, so that only sigtimedwait sees them.
sigset_t blockStopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    (void)::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

// Tells systemd, as often as it wants to hear it, that connections are answered; until a signal
// comes. Where not even the first one is (a packet filter?), nothing can be learnt in this way.
void watch(Service &service, const sigset_t &signals) {
    std::uint64_t microseconds = 0;
    const bool wanted = ::sd_watchdog_enabled(0, &microseconds) > 0;
    const base::Status first = wanted ? service.check() : base::Status();
    if (!first)
        base::log(base::Severity::Warning, "cannot watch over itself: " + first.error().message);
    // Twice in that time, and once more.
    const std::uint64_t pause = wanted ? microseconds / 3 : std::uint64_t{3600} * 1'000'000;
    const timespec interval{.tv_sec = static_cast<time_t>(pause / 1'000'000),
                            .tv_nsec = static_cast<long>(pause % 1'000'000 * 1000)};
    while (true) {
        if (wanted) {
            const base::Status alive = first ? service.check() : base::Status();
            if (alive)
                (void)::sd_notify(0, "WATCHDOG=1");
            else
                base::log(base::Severity::Error, alive.error().message);
        }
        if (::sigtimedwait(&signals, nullptr, &interval) >= 0) return;
    }
}

int serve(Options options) {
    const sigset_t signals = blockStopSignals();
    raiseDescriptors(options.limits);
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
    watch(**service, signals);
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

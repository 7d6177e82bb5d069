// SPDX-License-Identifier: Apache-2.0
// The flag that signal handlers set.
#include "volume/stop.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <unistd.h>

namespace volumecrypt::volume {
namespace {

volatile std::sig_atomic_t stopRequested = 0;

void requestStop(int /*signal*/) {
    stopRequested = 1;
}

}  // namespace

void watchForStop() {
    struct sigaction action {};
    action.sa_handler = requestStop;
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
}

bool waitUnlessStopped(int milliseconds) {
    // In small steps: a signal between the look at the flag and the sleep would be missed.
    constexpr int kStepMs = 50;
    for (int left = milliseconds; left > 0 && stopRequested == 0; left -= kStepMs)
        (void)::usleep(static_cast<useconds_t>(std::min(left, kStepMs)) * 1000);
    return stopRequested == 0;
}

base::Status checkStop() {
    if (stopRequested == 0) return {};
    return base::fail(base::Error(base::ErrorCode::Cancelled, "stopped by a signal at a safe point",
                                  "Run the same command again: it goes on where this one stopped.")
                          .withRetry());
}

}  // namespace volumecrypt::volume

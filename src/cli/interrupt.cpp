// SPDX-License-Identifier: Apache-2.0
// Signal handlers that set a flag, and ppoll(2) as the only place where they run.
#include "cli/interrupt.h"

#include <cstddef>
#include <ctime>

#include <poll.h>

namespace volumecrypt::cli {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t interrupted = 0;

void note(int /*signal*/) {
    interrupted = 1;
}

}  // namespace

Interruptible::Interruptible() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = note;
    sigset_t held;
    ::sigemptyset(&held);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        (void)::sigaction(kSignals.at(i), &action, &actionsBefore_.at(i));
        ::sigaddset(&held, kSignals.at(i));
    }
    (void)::sigprocmask(SIG_BLOCK, &held, &maskBefore_);
}

Interruptible::~Interruptible() {
    // One that came after the last look is noted, not deadly: what it was to interrupt is done.
    (void)::sigprocmask(SIG_SETMASK, &maskBefore_, nullptr);
    for (std::size_t i = 0; i < kSignals.size(); ++i)
        (void)::sigaction(kSignals.at(i), &actionsBefore_.at(i), nullptr);
}

void Interruptible::wait(int fd, short events, int milliseconds) const {
    const timespec limit{.tv_sec = milliseconds / 1000,
                         .tv_nsec = static_cast<long>(milliseconds % 1000) * 1'000'000};
    pollfd waiting{.fd = fd, .events = events, .revents = 0};
    (void)::ppoll(&waiting, 1, milliseconds < 0 ? nullptr : &limit, &maskBefore_);
}

bool Interruptible::happened() const {
    return interrupted != 0;
}

}  // namespace volumecrypt::cli

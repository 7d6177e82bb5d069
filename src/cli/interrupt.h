// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP as something to notice instead of sudden death, for a while.
#pragma once

#include <array>
#include <csignal>

namespace volumecrypt::cli {

// While one exists, the three signals are held back, and noticed only in wait(): none is lost
// between a look and the waiting that follows it. There is at most one at a time.
class Interruptible {
  public:
    Interruptible();
    ~Interruptible();
    Interruptible(const Interruptible &) = delete;
    Interruptible &operator=(const Interruptible &) = delete;
    Interruptible(Interruptible &&) = delete;
    Interruptible &operator=(Interruptible &&) = delete;

    // Until `fd` has one of `events` (poll(2)), a signal came, or `milliseconds` are over (-1:
    // never).
    void wait(int fd, short events, int milliseconds) const;
    [[nodiscard]] bool happened() const;

  private:
    std::array<struct sigaction, 3> actionsBefore_{};
    sigset_t maskBefore_{};
};

}  // namespace volumecrypt::cli

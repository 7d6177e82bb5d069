// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP as something to notice instead of sudden death, for a while.
#pragma once

#include <array>
#include <csignal>

namespace volumecrypt::cli {

// While one exists, the three signals make system calls return EINTR and are remembered. There is
// at most one at a time.
class Interruptible {
  public:
    Interruptible();
    ~Interruptible();
    Interruptible(const Interruptible &) = delete;
    Interruptible &operator=(const Interruptible &) = delete;
    Interruptible(Interruptible &&) = delete;
    Interruptible &operator=(Interruptible &&) = delete;

    [[nodiscard]] bool happened() const;

  private:
    std::array<struct sigaction, 3> before_{};
};

}  // namespace volumecrypt::cli

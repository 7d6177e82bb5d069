// SPDX-License-Identifier: Apache-2.0
// A program that runs beside the test, and ends with it at the latest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace volumecrypt::test {

class Companion {
  public:
    Companion() = default;
    // `log` takes stdout and stderr. `prepare` runs in the child, before the program; it may
    // unshare and mount.
    Companion(const std::vector<std::string> &argv, const std::string &log,
              const std::function<void()> &prepare = {});
    ~Companion();
    Companion(Companion &&other) noexcept;
    Companion &operator=(Companion &&other) noexcept;
    Companion(const Companion &) = delete;
    Companion &operator=(const Companion &) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    // Sends SIGTERM and waits; its exit status, or 128 + signal.
    int stop();
    // Sends SIGKILL and waits.
    void kill();
    // Kilobytes of memory that are its own (RssAnon).
    [[nodiscard]] long residentKilobytes() const { return statusOf("RssAnon:"); }
    // The most that it ever had in memory (VmHWM).
    [[nodiscard]] long highestKilobytes() const { return statusOf("VmHWM:"); }

  private:
    int wait();
    [[nodiscard]] long statusOf(const char *field) const;
    pid_t pid_ = -1;
};

// Polls until `condition` holds; false after `seconds`.
bool eventually(const std::function<bool()> &condition, int seconds = 20);

}  // namespace volumecrypt::test

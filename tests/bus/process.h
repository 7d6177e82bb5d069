// SPDX-License-Identifier: Apache-2.0
// A program that runs beside the test, and ends with it at the latest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace volumecrypt::test {

class Process {
  public:
    Process() = default;
    // `log` takes stdout and stderr. `prepare` runs in the child, before the program; it may
    // unshare and mount.
    Process(const std::vector<std::string> &argv, const std::string &log,
            const std::function<void()> &prepare = {});
    ~Process();
    Process(Process &&other) noexcept;
    Process &operator=(Process &&other) noexcept;
    Process(const Process &) = delete;
    Process &operator=(const Process &) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    // Sends SIGTERM and waits; its exit status, or 128 + signal.
    int stop();
    // Sends SIGKILL and waits.
    void kill();
    // Kilobytes of memory that are its own (RssAnon).
    [[nodiscard]] long residentKilobytes() const;

  private:
    int wait();
    pid_t pid_ = -1;
};

// Polls until `condition` holds; false after `seconds`.
bool eventually(const std::function<bool()> &condition, int seconds = 20);

}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// File descriptors that are closed by their owner, and how several of them travel through one.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace volumecrypt::base {

class [[nodiscard]] UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}
    UniqueFd(UniqueFd &&other) noexcept : fd_(other.release()) {}
    UniqueFd &operator=(UniqueFd &&other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    UniqueFd(const UniqueFd &) = delete;
    UniqueFd &operator=(const UniqueFd &) = delete;
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;

  private:
    int fd_ = -1;
};

// open(2) with O_CLOEXEC added; errors as errnoError of "open PATH".
Result<UniqueFd> openFile(const std::string &path, int flags, unsigned mode = 0);
// A duplicate with close-on-exec set.
Result<UniqueFd> duplicateFd(int fd);
// An anonymous memory file (memfd, close-on-exec).
Result<UniqueFd> makeMemfd(const std::string &name);

// Several descriptors through one: a program that systemd starts gets no more than its standard
// input, and what they hold need not be read on the way.

// A socket in which the descriptors wait, in this order. They may be closed here at once.
Result<UniqueFd> handOver(const std::vector<UniqueFd> &fds);

// `count` descriptors from such a socket, at once. Io when it holds another number of them.
Result<std::vector<UniqueFd>> takeOver(int socket, std::size_t count);

}  // namespace volumecrypt::base

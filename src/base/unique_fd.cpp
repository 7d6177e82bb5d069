// SPDX-License-Identifier: Apache-2.0
// File descriptors: opening, duplicating, closing.
#include "base/unique_fd.h"

#include <cerrno>

#include <sys/mman.h>

#include <fcntl.h>
#include <unistd.h>

namespace volumecrypt::base {

void UniqueFd::reset(int fd) noexcept {
    const int old = std::exchange(fd_, fd);
    // Linux releases the descriptor even when close() reports EINTR: never retry.
    if (old >= 0) ::close(old);
}

Result<UniqueFd> openFile(const std::string &path, int flags, unsigned mode) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return fail(errnoError("open " + path, errno));
    return UniqueFd(fd);
}

Result<UniqueFd> duplicateFd(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return fail(errnoError("duplicate a file descriptor", errno));
    return UniqueFd(copy);
}

Result<UniqueFd> makeMemfd(const std::string &name) {
    const int fd = ::memfd_create(name.c_str(), MFD_CLOEXEC);
    if (fd < 0) return fail(errnoError("create a memory file", errno));
    return UniqueFd(fd);
}

}  // namespace volumecrypt::base

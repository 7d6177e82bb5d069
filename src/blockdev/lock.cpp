// SPDX-License-Identifier: Apache-2.0
// Locks of volumes: the kernel drops them with the process, so that none is ever stale.
#include "blockdev/lock.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <thread>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"

namespace volumecrypt::blockdev {
namespace {

std::string lockName(const Device &device) {
    const std::string number =
        std::to_string(major(device.number)) + ":" + std::to_string(minor(device.number));
    if (!device.isFile) return "block-" + number + ".lock";
    return "file-" + number + "-" + std::to_string(device.inode) + ".lock";
}

}  // namespace

void writeHolder(int fd) {
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) == 0)
        (void)base::writeExactly(fd, std::as_bytes(std::span(text.data(), text.size())), 0)
            .has_value();
}

std::string holderOf(const std::string &path) {
    std::string text = base::readFile(path, 64).value_or("");
    text.erase(std::find_if(text.begin(), text.end(), [](char c) { return c < '0' || c > '9'; }),
               text.end());
    return text;
}

base::Result<bool> flockWithin(int fd, std::chrono::milliseconds limit,
                               const CheckStop &checkStop) {
    constexpr std::chrono::milliseconds pause{25};
    const auto end = std::chrono::steady_clock::now() + limit;
    while (::flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return base::fail(base::errnoError("flock", errno));
        if (checkStop) VC_TRY(checkStop());
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(pause);
    }
    return true;
}

base::Result<base::UniqueFd> lockDeviceWithin(const model::SystemPaths &paths, const Device &device,
                                              std::chrono::milliseconds limit,
                                              const CheckStop &checkStop) {
    const std::string directory = paths.lockDir();
    VC_TRY(base::makeDirectories(directory));
    const std::string path = directory + "/" + lockName(device);
    VC_ASSIGN(base::UniqueFd fd, base::openFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    VC_ASSIGN(const bool locked, flockWithin(fd.get(), limit, checkStop));
    if (!locked) {
        const std::string holder = holderOf(path);
        base::Error error(base::ErrorCode::Busy,
                          "another operation on " + device.path + " is running" +
                              (holder.empty() ? "" : " (process " + holder + ")"),
                          "Try again when it has finished.");
        return base::fail(std::move(error).withRetry());
    }
    writeHolder(fd.get());
    return fd;
}

base::Result<base::UniqueFd> lockDevice(const model::SystemPaths &paths, const Device &device,
                                        const CheckStop &checkStop) {
    return lockDeviceWithin(paths, device, kLockPatience, checkStop);
}

}  // namespace volumecrypt::blockdev

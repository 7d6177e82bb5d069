// SPDX-License-Identifier: Apache-2.0
// As libcryptsetup locks: the file itself, or for a block device a file that is named by its
// number.
#include "luks/header_lock.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

constexpr const char *kFolder = "/run/cryptsetup";
constexpr std::chrono::milliseconds kLockPause(50);
constexpr int kLockAttempts = 100;

base::Result<base::UniqueFd> openLock(const std::string &path, std::string &name) {
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0)
        return base::fail(base::errnoError("look at " + path, errno));
    name = path;
    if (!S_ISBLK(info.st_mode)) return base::openFile(path, O_RDWR);
    if (::mkdir(kFolder, 0700) < 0 && errno != EEXIST)
        return base::fail(base::errnoError(std::string("make ") + kFolder, errno));
    name = std::string(kFolder) + "/L_" + std::to_string(::major(info.st_rdev)) + ":" +
           std::to_string(::minor(info.st_rdev));
    constexpr mode_t kMode = 0700;
    base::UniqueFd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kMode));
    if (!fd.valid()) return base::fail(base::errnoError("open " + name, errno));
    return fd;
}

// Who lets go of it removes the file: then we hold a lock that nobody else will see.
bool isStillThere(int fd, const std::string &name) {
    struct stat held {};
    struct stat named {};
    return ::fstat(fd, &held) == 0 && ::stat(name.c_str(), &named) == 0 &&
           held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

}  // namespace

base::Result<base::UniqueFd> lockHeader(const std::string &path) {
    for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
        std::string name;
        VC_ASSIGN(base::UniqueFd fd, openLock(path, name));
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
            if (isStillThere(fd.get(), name)) return fd;
            continue;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            return base::fail(base::errnoError("lock the header of " + path, errno));
        std::this_thread::sleep_for(kLockPause);
    }
    return base::fail(base::Error(ErrorCode::Busy,
                                  "the header of " + path + " is locked by another program",
                                  "Try again when that is done.")
                          .withRetry());
}

}  // namespace volumecrypt::luks

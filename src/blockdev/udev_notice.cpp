// SPDX-License-Identifier: Apache-2.0
// Reads udev's database for a device, and provokes another look of udev at it.
#include "blockdev/udev_notice.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/unique_fd.h"

namespace volumecrypt::blockdev {
namespace {

constexpr int kLookMs = 20;
constexpr int kProvokeMs = 400;

bool hasSignature(const std::string &database) {
    const auto content = base::readFile(database, std::size_t{1} << 20);
    return content && content->find("\nE:ID_FS_TYPE=") != std::string::npos;
}

}  // namespace

bool awaitUdevNotice(const std::string &node, const std::string &udevDirectory, int patienceMs) {
    struct stat info {};
    if (::access((udevDirectory + "/control").c_str(), F_OK) != 0) return true;
    if (::stat(node.c_str(), &info) < 0) return true;
    const std::string database = udevDirectory + "/data/b" + std::to_string(major(info.st_rdev)) +
                                 ":" + std::to_string(minor(info.st_rdev));
    for (int waited = 0; waited < patienceMs; waited += kLookMs) {
        if (hasSignature(database)) return true;
        (void)::usleep(kLookMs * 1000);
        // Opened for writing and closed: this is what udev waits for.
        if (waited % kProvokeMs == kProvokeMs - kLookMs)
            (void)base::openFile(node, O_RDWR | O_NONBLOCK);
    }
    return false;
}

}  // namespace volumecrypt::blockdev

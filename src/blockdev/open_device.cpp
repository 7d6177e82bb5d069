// SPDX-License-Identifier: Apache-2.0
// Opening of devices, and the proof that what was opened is what was found.
#include <cerrno>
#include <string>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "blockdev/device.h"
#include "blockdev/lock.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;

// A disk may go and another one come under the same name between finding and opening.
base::Status expectSame(const base::UniqueFd &fd, const Device &device) {
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0)
        return base::fail(base::errnoError("look at " + device.node, errno));
    const bool same = device.isFile ? S_ISREG(info.st_mode) && info.st_dev == device.number &&
                                          info.st_ino == device.inode
                                    : S_ISBLK(info.st_mode) && info.st_rdev == device.number;
    if (!same)
        return base::fail(ErrorCode::NotFound,
                          device.node + " is no longer the device that " + device.path + " was");
    return {};
}

base::Result<base::UniqueFd> openChecked(const Device &device, int flags) {
    VC_ASSIGN(base::UniqueFd fd, base::openFile(device.node, flags | O_NOFOLLOW));
    VC_TRY(expectSame(fd, device));
    return fd;
}

base::Error busy(const std::string &message, const std::string &hint) {
    return {ErrorCode::Busy, message, hint};
}

base::Error heldBySomebody(const std::string &node) {
    return busy(node + " is locked by another program", "Try again when it has finished.")
        .withRetry();
}

// Opened for reading only: closing a disk that was open for writing makes the kernel announce all
// its partitions anew. Not valid when the sandbox allows the partition alone: then udev may look
// at the device in the middle of our writes, and does so once more when they are done.
base::Result<base::UniqueFd> lockWholeDisk(const std::string &node, std::chrono::milliseconds limit,
                                           const CheckStop &checkStop) {
    base::UniqueFd disk(::open(node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!disk.valid()) {
        if (errno == EPERM || errno == EACCES) return disk;
        return base::fail(base::errnoError("open " + node, errno));
    }
    VC_ASSIGN(const bool locked, flockWithin(disk.get(), limit, checkStop));
    if (!locked) return base::fail(heldBySomebody(node));
    return disk;
}

base::Error inUse(const KernelRoots &roots, const Device &device) {
    std::string by;
    for (const auto &holder : holdersOf(roots, device.number))
        by += (by.empty() ? " by " : ", ") + holder;
    return busy(
        device.node + " is in use" + by,
        "Unmount it, or close what is on top of it (`lsblk " + device.node + "` shows it).");
}

}  // namespace

base::Result<base::UniqueFd> openDevice(const Device &device, bool writable) {
    return openChecked(device, writable ? O_RDWR : O_RDONLY);
}

base::Result<bool> isReadOnly(const Device &device) {
    // Neither is opened for writing: udev would look at a block device anew when it is closed.
    if (device.isFile) {
        if (::access(device.node.c_str(), W_OK) == 0) return false;
        if (errno == EROFS || errno == EACCES || errno == EPERM) return true;
        return base::fail(base::errnoError("look at " + device.node, errno));
    }
    VC_ASSIGN(const base::UniqueFd fd, openDevice(device, false));
    int readOnly = 0;
    if (::ioctl(fd.get(), BLKROGET, &readOnly) < 0)
        return base::fail(base::errnoError("ask whether " + device.node + " is read-only", errno));
    return readOnly != 0;
}

base::Result<ExclusiveDevice> openExclusivelyWithin(const KernelRoots &roots, const Device &device,
                                                    std::chrono::milliseconds limit,
                                                    const CheckStop &checkStop) {
    ExclusiveDevice exclusive;
    if (device.isFile) {
        VC_ASSIGN(exclusive.device, openDevice(device, true));
        VC_ASSIGN(const bool locked, flockWithin(exclusive.device.get(), limit, checkStop));
        if (!locked) return base::fail(heldBySomebody(device.node));
        return exclusive;
    }
    VC_ASSIGN(const BlockInfo info, readBlockInfo(roots, device.number));
    VC_ASSIGN(exclusive.disk, lockWholeDisk(info.diskNode, limit, checkStop));
    auto fd = openChecked(device, O_RDWR | O_EXCL);
    if (!fd && fd.error().code == ErrorCode::Busy) return base::fail(inUse(roots, device));
    if (!fd) return base::fail(std::move(fd).error());
    exclusive.device = std::move(*fd);
    return exclusive;
}

base::Result<ExclusiveDevice> openExclusively(const Device &device, const CheckStop &checkStop) {
    return openExclusivelyWithin({}, device, kDiskPatience, checkStop);
}

}  // namespace volumecrypt::blockdev

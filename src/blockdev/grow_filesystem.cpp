// SPDX-License-Identifier: Apache-2.0
// resize2fs, xfs_growfs and btrfs. Mounted only: the kernel does the work then, in steps of its own
// journal. resize2fs of an unmounted file system is lost when it is interrupted, and the other two
// cannot do it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <vector>

#include <sys/statvfs.h>

#include "base/child_process.h"
#include "base/text.h"
#include "blockdev/device.h"
#include "blockdev/filesystem.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;

struct Grower {
    std::string_view type;  // as the kernel calls it
    std::string_view program;
    std::string_view package;  // as Debian and most others call it
};

constexpr std::array kGrowers{
    Grower{"ext4", "resize2fs", "e2fsprogs"},
    Grower{"xfs", "xfs_growfs", "xfsprogs"},
    Grower{"btrfs", "btrfs", "btrfs-progs"},
};

const Grower *growerOf(std::string_view type) {
    const auto *const found =
        std::find_if(kGrowers.begin(), kGrowers.end(),
                     [type](const Grower &grower) { return grower.type == type; });
    return found == kGrowers.end() ? nullptr : found;
}

std::vector<std::string> commandOf(const Grower &grower, const base::MountEntry &mount,
                                   const std::string &device) {
    std::vector<std::string> argv{std::string(grower.program)};
    if (grower.type == "ext4") argv.push_back(device);
    if (grower.type == "xfs") argv.insert(argv.end(), {"-d", mount.where});
    if (grower.type == "btrfs")
        argv.insert(argv.end(), {"filesystem", "resize", "max", mount.where});
    return argv;
}

base::Result<std::uint64_t> sizeAt(const std::string &where) {
    struct statvfs info {};
    if (::statvfs(where.c_str(), &info) < 0)
        return base::fail(base::errnoError("get the size of the file system at " + where, errno));
    return static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize;
}

// Below this the kernel resizes no btrfs, not even to the size that it has.
constexpr std::uint64_t kSmallestResizableBtrfs = std::uint64_t{256} << 20;

// Whether the program has something to do.
base::Result<bool> canGrow(const base::MountEntry &mount, const std::string &device,
                           std::uint64_t size) {
    if (mount.type != "btrfs") return true;
    VC_ASSIGN(const Device found, findDevice({.path = device}));
    if (found.size >= kSmallestResizableBtrfs) return true;
    if (size >= found.size) return false;
    return base::fail(ErrorCode::NoSpace,
                      "the btrfs at " + mount.where + " cannot grow to less than 256 MiB",
                      "Make the partition so large that the volume has at least 256 MiB.");
}

}  // namespace

base::Status expectGrowable(const base::MountEntry &mount) {
    const Grower *grower = growerOf(mount.type);
    if (grower == nullptr)
        return base::fail(ErrorCode::Unsupported,
                          "a file system of type " + mount.type + " cannot be grown",
                          "ext4, xfs and btrfs can.");
    if (mount.readOnly)
        return base::fail(
            ErrorCode::Unsupported, "the file system at " + mount.where + " is mounted read-only",
            "Make it writable (`mount -o remount,rw " + mount.where + "`), then try again.");
    if (base::hasProgram(std::string(grower->program))) return {};
    return base::fail(ErrorCode::Unsupported, std::string(grower->program) + " is not installed",
                      "Install the package " + std::string(grower->package) + ".");
}

base::Result<bool> growFilesystem(const base::MountEntry &mount, const std::string &device) {
    VC_TRY(expectGrowable(mount));
    VC_ASSIGN(const std::uint64_t before, sizeAt(mount.where));
    VC_ASSIGN(const bool goesOn, canGrow(mount, device, before));
    if (!goesOn) return false;
    const std::vector<std::string> argv = commandOf(*growerOf(mount.type), mount, device);
    VC_ASSIGN(const base::ChildOutcome outcome, base::runProgram(argv));
    if (outcome.exitCode != 0)
        return base::fail(ErrorCode::Io, argv.front() + " at " + mount.where + " failed (" +
                                             std::to_string(outcome.exitCode) +
                                             "): " + base::joinedLines(outcome.output));
    VC_ASSIGN(const std::uint64_t after, sizeAt(mount.where));
    return after > before;
}

}  // namespace volumecrypt::blockdev

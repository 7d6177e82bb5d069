// SPDX-License-Identifier: Apache-2.0
// e2fsck and resize2fs, unmounted; a swap area has nothing to keep but its name.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/files.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "blockdev/filesystem_extent.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;

// Who stops a service stops all its processes: a program that changes a file system comes to its
// end first.
class StopsHeld {
  public:
    StopsHeld() {
        sigset_t stops;
        ::sigemptyset(&stops);
        for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&stops, signal);
        ::sigprocmask(SIG_BLOCK, &stops, &before_);
    }
    ~StopsHeld() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
    StopsHeld(const StopsHeld &) = delete;
    StopsHeld &operator=(const StopsHeld &) = delete;
    StopsHeld(StopsHeld &&) = delete;
    StopsHeld &operator=(StopsHeld &&) = delete;

  private:
    sigset_t before_{};
};

base::Result<base::ChildOutcome> runShrinker(const std::vector<std::string> &argv,
                                             const std::string &package) {
    const StopsHeld held;
    auto outcome = base::runProgram(argv);
    if (outcome || outcome.error().code != ErrorCode::NotFound) return outcome;
    return base::fail(ErrorCode::Unsupported, argv.front() + " is not installed",
                      "Install the package " + package + ".");
}

base::Error failedProgram(const std::vector<std::string> &argv, const std::string &path,
                          const base::ChildOutcome &outcome) {
    return {ErrorCode::Io, argv.front() + " on " + path + " failed (" +
                               std::to_string(outcome.exitCode) +
                               "): " + base::joinedLines(outcome.output)};
}

base::Error failedCheck(const std::vector<std::string> &argv, const std::string &path,
                        const base::ChildOutcome &outcome) {
    return failedProgram(argv, path, outcome)
        .withHint("Repair the file system with `e2fsck -f " + path +
                  "`, look at what is in its lost+found, then try again.");
}

// What e2fsck calls safe it repairs; for all else a person decides.
base::Status checkExt(const std::string &path) {
    constexpr int kCorrected = 1;
    const std::vector<std::string> argv{"e2fsck", "-f", "-p", path};
    VC_ASSIGN(const base::ChildOutcome outcome, runShrinker(argv, "e2fsprogs"));
    if (outcome.exitCode == 0 || outcome.exitCode == kCorrected) return {};
    return base::fail(failedCheck(argv, path, outcome));
}

base::Status shrinkExt(const std::string &path, const FilesystemExtent &present,
                       std::uint64_t bytes) {
    VC_TRY(checkExt(path));
    // In blocks of its own: what it is given in is what it is.
    const std::vector<std::string> argv{"resize2fs", path, std::to_string(bytes / present.unit)};
    VC_ASSIGN(const base::ChildOutcome outcome, runShrinker(argv, "e2fsprogs"));
    if (outcome.exitCode == 0) return {};
    if (outcome.output.find("smaller than minimum") != std::string::npos)
        return base::fail(
            ErrorCode::NoSpace,
            "the file system is too full to become smaller: " + base::joinedLines(outcome.output),
            "Delete or move some of what it holds, or make the partition larger.");
    return base::fail(failedProgram(argv, path, outcome));
}

// A page of 4096 bytes of which four say where the area ends: written whole or not at all.
base::Status shrinkSwap(const std::string &path, const FilesystemExtent &present,
                        std::uint64_t bytes) {
    constexpr std::uint64_t kLastPageAt = 1028;
    constexpr std::uint64_t kFewestPages = 10;
    const std::uint64_t pages = bytes / present.unit;
    if (pages < kFewestPages)
        return base::fail(ErrorCode::NoSpace, "there would be no room left to swap to",
                          "Make the partition larger.");
    std::array<std::byte, 4> last{};
    for (std::size_t i = 0; i < last.size(); ++i)
        last.at(i) = static_cast<std::byte>(((pages - 1) >> (8 * i)) & 0xffU);
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDWR));
    VC_TRY(base::writeExactly(fd.get(), last, kLastPageAt));
    if (::fsync(fd.get()) < 0) return base::fail(base::errnoError("flush " + path, errno));
    return {};
}

}  // namespace

base::Result<std::string> logTrouble(const std::string &path, const std::string &type) {
    if (type != "xfs") return std::string();
    const std::vector<std::string> argv{"xfs_logprint", "-t", path};
    VC_ASSIGN(const base::ChildOutcome outcome, runShrinker(argv, "xfsprogs"));
    if (outcome.output.find("state: <CLEAN>") != std::string::npos) return std::string();
    if (outcome.output.find("state: <DIRTY>") != std::string::npos)
        return std::string("was not unmounted: its log is to be replayed");
    return base::fail(failedProgram(argv, path, outcome));
}

base::Status mendShrunk(const std::string &path) {
    // Cut at each of its writes, resize2fs of e2fsprogs 1.47 left what this repairs with nothing
    // lost; -p leaves the half of it to a person.
    const std::vector<std::string> argv{"e2fsck", "-f", "-y", path};
    VC_ASSIGN(const base::ChildOutcome outcome, runShrinker(argv, "e2fsprogs"));
    if (outcome.exitCode == 0 || outcome.exitCode == 1) return {};
    return base::fail(failedCheck(argv, path, outcome));
}

base::Status shrinkFilesystem(const std::string &path, const FilesystemExtent &present,
                              std::uint64_t bytes) {
    if (present.type.starts_with("ext")) return shrinkExt(path, present, bytes);
    if (present.type == "swap") return shrinkSwap(path, present, bytes);
    return base::fail(ErrorCode::Unsupported,
                      "a file system of type " + present.type + " cannot become smaller");
}

}  // namespace volumecrypt::blockdev

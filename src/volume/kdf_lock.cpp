// SPDX-License-Identifier: Apache-2.0
// The turn of costly key derivations: flock on /run/volumecrypt/lock/kdf.
#include "volume/kdf_lock.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>

#include "base/files.h"
#include "base/journal.h"
#include "blockdev/lock.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

constexpr std::uint64_t kFreeMemoryKiB = std::uint64_t{64} << 10;

}  // namespace

bool noKeyWasTried(const base::Error &error) {
    return error.code == ErrorCode::Cancelled || error.code == ErrorCode::Busy;
}

base::Result<base::UniqueFd> KdfLock::await(std::uint64_t memoryKiB) {
    if (memoryKiB <= kFreeMemoryKiB) return {};
    if (!base::makeDirectories(options_.paths.lockDir())) return {};
    const std::string path = options_.paths.lockDir() + "/kdf";
    auto file = base::openFile(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (!file) return {};
    const auto start = std::chrono::steady_clock::now();
    const auto locked = blockdev::flockWithin(file->get(), left_, checkStop);
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    left_ = std::max(left_ - waited, std::chrono::milliseconds(0));
    if (!locked && locked.error().code == ErrorCode::Cancelled) return base::fail(locked.error());
    if (!locked) return {};  // a file system without locks
    if (!*locked) return giveUp(path);
    blockdev::writeHolder(file->get());
    return std::move(*file);
}

base::Result<base::UniqueFd> KdfLock::giveUp(const std::string &path) {
    const std::string holder = blockdev::holderOf(path);
    base::Error error(ErrorCode::Busy,
                      "volume " + options_.id.text() +
                          ": the key derivations of other volumes have not come to an end" +
                          (holder.empty() ? "" : " (process " + holder + " is at work)"),
                      "Try again; a process that hangs must be ended first.");
    if (options_.verb != Verb::Attach) return base::fail(std::move(error).withRetry());
    if (std::exchange(warned_, true)) return {};
    error.message += "; going on beside them, which may need more memory than there is";
    reporter_.warning(error.code, error.message);
    if (options_.output == OutputFormat::Json)
        base::log(base::Severity::Warning, error.message, {{"VOLUME", options_.id.text()}});
    return {};
}

}  // namespace volumecrypt::volume

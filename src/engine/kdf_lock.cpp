// SPDX-License-Identifier: Apache-2.0
// flock on /run/volumecrypt/lock/kdf.
#include "engine/kdf_lock.h"

#include <cerrno>
#include <limits>

#include <sys/file.h>

#include <fcntl.h>

#include "base/files.h"

namespace volumecrypt::engine {
namespace {

constexpr std::uint64_t kFreeMemoryKiB = std::uint64_t{64} << 10;

}  // namespace

base::UniqueFd lockForKdf(const model::SystemPaths &paths, std::uint64_t memoryKiB) {
    if (memoryKiB <= kFreeMemoryKiB) return {};
    if (!base::makeDirectories(paths.lockDir())) return {};
    auto file = base::openFile(paths.lockDir() + "/kdf", O_RDWR | O_CREAT, 0600);
    if (!file) return {};
    while (::flock(file->get(), LOCK_EX) < 0)
        if (errno != EINTR) return {};
    return std::move(*file);
}

base::UniqueFd lockForSlot(const model::SystemPaths &paths, const model::HeaderView &view,
                           unsigned slot) {
    const auto found = view.slots.find(slot);
    return found == view.slots.end() ? base::UniqueFd()
                                     : lockForKdf(paths, found->second.kdf.memoryKiB);
}

base::UniqueFd lockForCost(const model::SystemPaths &paths, luks::KdfCost cost) {
    // The library's benchmark may choose up to 1 GiB.
    return lockForKdf(
        paths, cost == luks::KdfCost::Library ? std::numeric_limits<std::uint64_t>::max() : 0);
}

}  // namespace volumecrypt::engine

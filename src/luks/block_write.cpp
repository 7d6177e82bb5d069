// SPDX-License-Identifier: Apache-2.0
// Compares before it writes: a run of blocks that differ is one write.
#include "luks/block_write.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <unistd.h>

#include "base/files.h"

namespace volumecrypt::luks {

base::Status writeDifferent(int fd, std::string_view wanted, std::uint64_t offset) {
    std::string present(wanted.size(), '\0');
    VC_TRY(base::readExactly(fd, std::as_writable_bytes(std::span(present)), offset));
    const auto differs = [&](std::size_t at) {
        return wanted.substr(at, kBlock) != std::string_view(present).substr(at, kBlock);
    };
    for (std::size_t begin = 0; begin < wanted.size();) {
        std::size_t end = begin;
        while (end < wanted.size() && differs(end)) end += kBlock;
        if (end > begin) {
            const std::string_view run = wanted.substr(begin, end - begin);
            VC_TRY(base::writeExactly(fd, std::as_bytes(std::span(run.data(), run.size())),
                                      offset + begin));
        }
        begin = std::max(end, begin + kBlock);
    }
    return {};
}

base::Status copyBlocks(int memory, int device, std::uint64_t begin, std::uint64_t end) {
    constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;
    std::string chunk;
    for (std::uint64_t offset = begin; offset < end; offset += chunk.size()) {
        chunk.resize(static_cast<std::size_t>(std::min(kChunk, end - offset)));
        VC_TRY(base::readExactly(memory, std::as_writable_bytes(std::span(chunk)), offset));
        VC_TRY(writeDifferent(device, chunk, offset));
    }
    return {};
}

base::Status forgetCached(int deviceFd) {
    struct stat info {};
    if (::fstat(deviceFd, &info) < 0)
        return base::fail(base::errnoError("look at the device", errno));
    // Of a plain file there is one cache for all.
    if (!S_ISBLK(info.st_mode) || ::ioctl(deviceFd, BLKFLSBUF, 0) == 0) return {};
    return base::fail(base::errnoError("read the device afresh", errno));
}

base::Status flush(int fd) {
    if (::fsync(fd) < 0) return base::fail(base::errnoError("write the header to disk", errno));
    return {};
}

}  // namespace volumecrypt::luks

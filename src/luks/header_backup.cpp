// SPDX-License-Identifier: Apache-2.0
// A header passes through memory files only, and is checked there.
#include "luks/header_backup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <span>

#include <sys/stat.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/files.h"
#include "luks/block_write.h"
#include "luks/header_image.h"
#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr std::chrono::seconds kMostSilence(30);
constexpr int kTurnMs = 200;

tl::unexpected<base::Error> unfit(const std::string &message, const std::string &hint) {
    return base::fail(ErrorCode::InvalidConfig, message, hint);
}

base::Result<struct stat> fileOf(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) < 0)
        return base::fail(base::errnoError("look at the file of the header backup", errno));
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode))
        return unfit("the header backup is neither a file nor a pipe",
                     "Give a regular file, a memory file or a pipe.");
    return info;
}

// Until there is something to read, or room to write.
base::Status awaitReady(int fd, short events, const CheckStop &checkStop) {
    const auto end = std::chrono::steady_clock::now() + kMostSilence;
    for (;;) {
        VC_TRY(checkStop());
        pollfd one{.fd = fd, .events = events, .revents = 0};
        const int ready = ::poll(&one, 1, kTurnMs);
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR)
            return base::fail(base::errnoError("wait for the header backup", errno));
        if (std::chrono::steady_clock::now() > end)
            return unfit("nobody reads or writes the other end of the pipe of the header backup",
                         "Give a file, or see what became of the program at the other end.");
    }
}

// All of `fd` to a memory file; how much that was.
base::Result<std::uint64_t> readInto(int memory, int fd, const CheckStop &checkStop) {
    std::array<std::byte, kPiece> piece;
    for (std::uint64_t size = 0;;) {
        VC_TRY(awaitReady(fd, POLLIN, checkStop));
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return base::fail(base::errnoError("read the header backup", errno));
        if (got == 0) return size;
        const auto bytes = std::span(piece).first(static_cast<std::size_t>(got));
        if (size + bytes.size() > kLargestBackup)
            return unfit("the header backup has more than " + std::to_string(kLargestBackup) +
                             " bytes, which no header has",
                         "Give the file that the header was backed up to.");
        VC_TRY(base::writeExactly(memory, bytes, size));
        size += bytes.size();
    }
}

}  // namespace

base::Result<HeaderImage> imageOf(const std::string &path) {
    // libcryptsetup has written the copy that was missing, in memory (see HeaderCopy::memory).
    VC_ASSIGN(HeaderCopy copy, copyHeader(path));
    return imageOf(std::move(copy));
}

base::Result<HeaderImage> imageOf(HeaderCopy copy) {
    const std::uint64_t areas = 2 * copy.view.metadataSize;
    const std::uint64_t size = areas + copy.view.keyslotsSize;
    VC_TRY(copyIn(copy.memory.get(), copy.device.get(), areas, copy.view.keyslotsSize,
                  "the key slot areas"));
    return HeaderImage{.copy = std::move(copy), .size = size};
}

base::Result<HeaderImage> readBackup(int fd, std::uint64_t deviceSize, const CheckStop &checkStop) {
    VC_TRY(fileOf(fd));
    VC_ASSIGN(const base::UniqueFd memory, newImage());
    VC_ASSIGN(const std::uint64_t given, readInto(memory.get(), fd, checkStop));
    // As large as the device, so that all that is checked of a header on a device is checked here.
    if (::ftruncate(memory.get(), static_cast<off_t>(deviceSize)) < 0)
        return base::fail(base::errnoError("make room for the header backup", errno));
    VC_ASSIGN(HeaderCopy copy, copyHeader(memoryPath(memory.get())));
    const std::uint64_t size = 2 * copy.view.metadataSize + copy.view.keyslotsSize;
    if (given < size)
        return base::fail(ErrorCode::HeaderCorrupt,
                          "the header backup ends after " + std::to_string(given) + " of " +
                              std::to_string(size) + " bytes",
                          "Give a whole one.");
    return imageOf(std::move(copy));
}

base::Status expectPlaceForBackup(int fd) {
    VC_ASSIGN(const struct stat info, fileOf(fd));
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0)
        return base::fail(base::errnoError("look at the file of the header backup", errno));
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY)
        return unfit("the file of the header backup is not open for writing",
                     "Open it for writing.");
    if (S_ISREG(info.st_mode) && info.st_size != 0)
        return unfit("the file of the header backup holds something already", "Give an empty one.");
    return {};
}

base::Status writeBackup(const HeaderImage &image, int fd, const CheckStop &checkStop) {
    VC_ASSIGN(const struct stat info, fileOf(fd));
    std::array<std::byte, kPiece> piece;
    for (std::uint64_t offset = 0; offset < image.size;) {
        const auto bytes =
            std::span(piece).first(std::min<std::uint64_t>(kPiece, image.size - offset));
        VC_TRY(base::readExactly(image.copy.memory.get(), bytes, offset));
        VC_TRY(awaitReady(fd, POLLOUT, checkStop));
        const ssize_t done = ::write(fd, bytes.data(), bytes.size());
        if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (done < 0) return base::fail(base::errnoError("write the header backup", errno));
        offset += static_cast<std::uint64_t>(done);
    }
    return S_ISREG(info.st_mode) ? flush(fd) : base::Status();
}

}  // namespace volumecrypt::luks

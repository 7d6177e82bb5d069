// SPDX-License-Identifier: Apache-2.0
// Reads for zeros in large pieces; the samples are announced to the kernel before they are read.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include <sys/random.h>

#include <fcntl.h>

#include "base/files.h"
#include "blockdev/content.h"

namespace volumecrypt::blockdev {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;

// A range is zero when its first byte is and every byte equals the one before it.
bool allZero(std::span<const std::byte> bytes) {
    if (bytes.empty()) return true;
    return bytes[0] == std::byte{0} &&
           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// In ascending order: a spinning disk then passes over the surface once.
base::Result<std::vector<std::uint64_t>> sampleOffsets(std::uint64_t start, std::uint64_t length) {
    std::array<std::uint64_t, kSampleCount> random{};
    // Up to 256 bytes come in one piece; more may be cut short by a signal.
    auto *bytes = reinterpret_cast<unsigned char *>(random.data());
    for (std::size_t done = 0; done < sizeof random;) {
        const ssize_t got = ::getrandom(bytes + done, sizeof random - done, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail(base::errnoError("getrandom", errno));
        done += static_cast<std::size_t>(got);
    }
    std::vector<std::uint64_t> offsets;
    offsets.reserve(random.size());
    for (const std::uint64_t number : random)
        offsets.push_back(start + (number % (length / kSampleLength)) * kSampleLength);
    std::sort(offsets.begin(), offsets.end());
    return offsets;
}

base::Result<bool> samplesZero(int fd, std::uint64_t start, std::uint64_t length) {
    VC_ASSIGN(const auto offsets, sampleOffsets(start, length));
    // Only a hint: its failure costs time, nothing else.
    for (const std::uint64_t offset : offsets)
        (void)::posix_fadvise(fd, static_cast<off_t>(offset), kSampleLength, POSIX_FADV_WILLNEED);
    for (const std::uint64_t offset : offsets) {
        VC_ASSIGN(const bool zero, isZero(fd, offset, kSampleLength));
        if (!zero) return false;
    }
    return true;
}

}  // namespace

base::Result<bool> isZero(int fd, std::uint64_t offset, std::uint64_t length) {
    std::vector<std::byte> buffer(std::min(length, kPiece));
    while (length > 0) {
        const std::span<std::byte> piece(buffer.data(), std::min(length, kPiece));
        VC_TRY(base::readExactly(fd, piece, offset));
        if (!allZero(piece)) return false;
        offset += piece.size();
        length -= piece.size();
    }
    return true;
}

base::Result<bool> looksZero(int fd, std::uint64_t size) {
    if (size <= 2 * kEndLength + kSampleCount * kSampleLength) return isZero(fd, 0, size);
    VC_ASSIGN(const bool head, isZero(fd, 0, kEndLength));
    if (!head) return false;
    VC_ASSIGN(const bool tail, isZero(fd, size - kEndLength, kEndLength));
    if (!tail) return false;
    return samplesZero(fd, kEndLength, size - 2 * kEndLength);
}

}  // namespace volumecrypt::blockdev

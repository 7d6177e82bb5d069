// SPDX-License-Identifier: Apache-2.0
// Copies first, then the marker that says where they are, and only then what they are copies of.
#include "luks/first_segment.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "crypto/digest.h"
#include "luks/block_write.h"
#include "luks/metadata.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

constexpr std::size_t kCopiedAtOnce = std::size_t{4} << 20;

base::Status flushDevice(int fd) {
    if (::fsync(fd) < 0) return base::fail(base::errnoError("write to the disk", errno));
    return {};
}

base::Result<std::string> readPart(int fd, std::uint64_t offset, std::uint64_t size) {
    std::string bytes(size, '\0');
    VC_TRY(base::readExactly(fd, std::as_writable_bytes(std::span(bytes)), offset));
    return bytes;
}

base::Status writePart(int fd, std::string_view bytes, std::uint64_t offset) {
    for (std::size_t at = 0; at < bytes.size(); at += kCopiedAtOnce) {
        const std::string_view piece = bytes.substr(at, kCopiedAtOnce);
        VC_TRY(base::writeExactly(fd, std::as_bytes(std::span(piece)), offset + at));
    }
    return {};
}

// On the disk, and read from there: what is kept in memory of it proves nothing.
base::Status writeProven(int fd, std::string_view bytes, std::uint64_t offset,
                         const std::string &what) {
    VC_TRY(writePart(fd, bytes, offset));
    VC_TRY(flushDevice(fd));
    (void)::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes.size()),
                          POSIX_FADV_DONTNEED);
    VC_ASSIGN(const std::string digest, crypto::sha256OfRange({}, fd, offset, bytes.size()));
    if (digest == crypto::sha256(bytes)) return {};
    return base::fail(ErrorCode::Io, "the copy of " + what + " reads otherwise than it was written",
                      "The disk is at fault. Nothing has happened to the file system.");
}

// Header and key slots, then zeros: what the first segment is to become.
std::string asSegment(std::string header) {
    header.resize(kDataShift, '\0');
    return header;
}

struct Copies {
    std::string segment;  // the plain device's
    std::string header;   // as asSegment makes it
};

base::Result<Copies> readCopies(int fd, const EncryptionMarker &marker) {
    Copies copies;
    VC_ASSIGN(copies.segment, readPart(fd, marker.segmentOffset, kDataShift));
    VC_ASSIGN(copies.header, readPart(fd, marker.headerOffset, marker.headerSize));
    const bool whole = crypto::sha256(copies.segment) == marker.segmentDigest &&
                       crypto::sha256(copies.header) == marker.headerDigest;
    if (!whole)
        return base::fail(ErrorCode::HeaderCorrupt,
                          "its encryption had begun, and what was put aside at the end of the "
                          "device is not there any more",
                          "Nothing was written. Copy the device before anything else; what is "
                          "behind its first 16 MiB is as it was.");
    copies.header = asSegment(std::move(copies.header));
    return copies;
}

enum class Exchange {
    NotBegun,  // all but the marker is the plain device's, which may have been used since
    Begun,     // every sector is that of the one copy or of the other
    Disturbed
};

Exchange compare(std::string_view present, const Copies &copies) {
    bool anyNew = false;
    bool anyStrange = false;
    for (std::size_t at = kWhole; at < kDataShift; at += kWhole) {
        const std::string_view sector = present.substr(at, kWhole);
        if (sector == std::string_view(copies.segment).substr(at, kWhole)) continue;
        // The binary header is in its first sector.
        const bool isNew = sector == std::string_view(copies.header).substr(at, kWhole);
        (isNew ? anyNew : anyStrange) = true;
    }
    if (!anyNew) return Exchange::NotBegun;
    return anyStrange ? Exchange::Disturbed : Exchange::Begun;
}

base::Result<Exchange> lookAtSegment(int fd, const Copies &copies) {
    VC_ASSIGN(const std::string present, readPart(fd, 0, kDataShift));
    const Exchange found = compare(present, copies);
    if (found != Exchange::Disturbed) return found;
    return base::fail(ErrorCode::HeaderCorrupt,
                      "its encryption had begun, and something else was written to the beginning "
                      "of the device since",
                      "Nothing was written. Copy the device before anything else.");
}

base::Status restoreFirstSector(int fd, const Copies &copies) {
    VC_TRY(writePart(fd, std::string_view(copies.segment).substr(0, kWhole), 0));
    return flushDevice(fd);
}

base::Status replaceSegment(int fd, std::string_view header) {
    VC_TRY(writePart(fd, header.substr(kWhole), kWhole));
    VC_TRY(flushDevice(fd));
    VC_TRY(writePart(fd, header.substr(0, kBinaryHeaderSize), 0));
    return flushDevice(fd);
}

base::Result<std::string> headerBytes(const NewHeader &header) {
    VC_ASSIGN(const model::HeaderView view, header.store->view());
    const std::uint64_t size = 2 * view.metadataSize + view.keyslotsSize;
    if (size > kDataShift)
        return base::fail(ErrorCode::Internal, "a header that does not fit into its gap");
    return readPart(header.memory.get(), 0, size);
}

}  // namespace

base::Result<FoundEncryptionMarker> findEncryptionMarker(int deviceFd) {
    VC_ASSIGN(const std::uint64_t size, sizeOfDevice(deviceFd));
    if (size < kEncryptionMarkerSize) return FoundEncryptionMarker{};
    VC_ASSIGN(const std::string block, readPart(deviceFd, 0, kEncryptionMarkerSize));
    return FoundEncryptionMarker{.marker = encryptionMarkerIn(block, size),
                                 .isOther = isOtherEncryptionMarker(block, size)};
}

base::Status exchangeFirstSegment(int deviceFd, const model::VolumeId &id,
                                  const NewHeader &header) {
    VC_ASSIGN(const std::uint64_t size, sizeOfDevice(deviceFd));
    if (size < kTailRoom + kDataShift || size % kWhole != 0)
        return base::fail(ErrorCode::Internal, "a device of a size that cannot be encrypted");
    VC_TRY(forgetCached(deviceFd));
    VC_ASSIGN(const std::string segment, readPart(deviceFd, 0, kDataShift));
    VC_ASSIGN(std::string bytes, headerBytes(header));
    const EncryptionMarker marker{.volume = id.text(),
                                  .deviceSize = size,
                                  .segmentOffset = size - kDataShift,
                                  .headerOffset = size - kTailRoom,
                                  .headerSize = bytes.size(),
                                  .segmentDigest = crypto::sha256(segment),
                                  .headerDigest = crypto::sha256(bytes)};
    VC_ASSIGN(const std::string block, marker.bytes());
    VC_TRY(writeProven(deviceFd, segment, marker.segmentOffset, "the first segment"));
    VC_TRY(writeProven(deviceFd, bytes, marker.headerOffset, "the header"));
    // In one block with what was behind it: whatever a disk writes whole, the marker is there or
    // not.
    VC_TRY(writePart(deviceFd,
                     block + segment.substr(block.size(), kBinaryHeaderSize - block.size()), 0));
    VC_TRY(flushDevice(deviceFd));
    return replaceSegment(deviceFd, asSegment(std::move(bytes)));
}

base::Result<bool> finishExchange(int deviceFd, const EncryptionMarker &marker) {
    VC_ASSIGN(const Copies copies, readCopies(deviceFd, marker));
    VC_ASSIGN(const Exchange found, lookAtSegment(deviceFd, copies));
    if (found == Exchange::NotBegun) {
        VC_TRY(restoreFirstSector(deviceFd, copies));
        return false;
    }
    VC_TRY(replaceSegment(deviceFd, copies.header));
    return true;
}

base::Status undoExchange(int deviceFd, const EncryptionMarker &marker) {
    VC_ASSIGN(const Copies copies, readCopies(deviceFd, marker));
    VC_ASSIGN(const Exchange found, lookAtSegment(deviceFd, copies));
    if (found == Exchange::Begun) {
        // The file system may not be seen before it is whole: its beginning comes last.
        const std::string_view segment = copies.segment;
        VC_TRY(writePart(deviceFd, segment.substr(kBinaryHeaderSize), kBinaryHeaderSize));
        VC_TRY(flushDevice(deviceFd));
        VC_TRY(writePart(deviceFd, segment.substr(kWhole, kBinaryHeaderSize - kWhole), kWhole));
        VC_TRY(flushDevice(deviceFd));
    }
    return restoreFirstSector(deviceFd, copies);
}

}  // namespace volumecrypt::luks

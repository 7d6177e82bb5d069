// SPDX-License-Identifier: Apache-2.0
// Bringing a header from memory to the device, block by block, and the marker of an unfinished one.
#include "luks/header_write.h"

#include <cstddef>
#include <span>
#include <string_view>

#include "base/files.h"
#include "crypto/digest.h"
#include "luks/block_write.h"
#include "luks/metadata.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// The marker (header_write.h says what its fields are). All of it lies in the first 512 bytes, and
// the rest is zero as in a binary header: a disk that writes whole sectors leaves the one or the
// other, never a mixture.
constexpr std::string_view kMarkerText = "VOLUMECRYPT-FORMATTING";
constexpr std::size_t kVersionOffset = 32;
constexpr char kVersion = 1;
constexpr std::size_t kIdOffset = 64;
constexpr std::size_t kIdSize = 256;
constexpr std::size_t kMarkerChecksumOffset = 512 - crypto::kSha256Size;

base::Result<std::string> makeMarker(const std::string &id) {
    std::string marker(kBlock, '\0');
    if (id.empty() || id.size() >= kIdSize)
        return base::fail(ErrorCode::Internal, "a volume ID that no marker can hold");
    marker.replace(0, kMarkerText.size(), kMarkerText);
    marker[kVersionOffset] = kVersion;
    marker.replace(kIdOffset, id.size(), id);
    const std::string checksum =
        crypto::sha256(std::string_view(marker).substr(0, kMarkerChecksumOffset));
    marker.replace(kMarkerChecksumOffset, checksum.size(), checksum);
    return marker;
}

// Empty when the device is smaller.
base::Result<std::string> firstBlock(int fd) {
    VC_ASSIGN(const std::uint64_t size, sizeOfDevice(fd));
    std::string block(size < kBlock ? 0 : kBlock, '\0');
    VC_TRY(base::readExactly(fd, std::as_writable_bytes(std::span(block)), 0));
    return block;
}

}  // namespace

base::Status writeHeaderUpTo(WritePoint last, int deviceFd, const model::VolumeId &id,
                             const NewHeader &header) {
    const int memory = header.memory.get();
    VC_ASSIGN(const std::string marker, makeMarker(id.text()));
    VC_TRY(writeDifferent(deviceFd, marker, 0));
    VC_TRY(flush(deviceFd));
    if (last == WritePoint::Marker) return {};
    VC_TRY(copyBlocks(memory, deviceFd, kMetadataSize, kDataOffset));
    VC_TRY(flush(deviceFd));
    if (last == WritePoint::SlotsAndSecondary) return {};
    VC_TRY(copyBlocks(memory, deviceFd, kBinaryHeaderSize, kMetadataSize));
    VC_TRY(flush(deviceFd));
    if (last == WritePoint::PrimaryJson) return {};
    VC_TRY(copyBlocks(memory, deviceFd, 0, kBinaryHeaderSize));
    return flush(deviceFd);
}

base::Status writeHeader(int deviceFd, const model::VolumeId &id, const NewHeader &header) {
    return writeHeaderUpTo(WritePoint::PrimaryBinary, deviceFd, id, header);
}

base::Status writeFormattingMarker(int deviceFd, const model::VolumeId &id) {
    VC_ASSIGN(const std::string marker, makeMarker(id.text()));
    VC_TRY(writeDifferent(deviceFd, marker, 0));
    return flush(deviceFd);
}

std::optional<std::string> formattingMarkerIn(std::string_view block) {
    if (!block.starts_with(kMarkerText)) return {};
    const std::string_view field = block.substr(kIdOffset, kIdSize);
    std::string id(field.substr(0, field.find('\0')));
    const auto expected = makeMarker(id);
    if (!expected || *expected != block) return {};
    return id;
}

base::Result<std::optional<std::string>> readFormattingMarker(int deviceFd) {
    VC_ASSIGN(const std::string block, firstBlock(deviceFd));
    return formattingMarkerIn(block);
}

base::Result<bool> hasNewerMarker(int deviceFd) {
    VC_ASSIGN(const std::string block, firstBlock(deviceFd));
    return block.starts_with(kMarkerText) &&
           static_cast<unsigned char>(block[kVersionOffset]) > kVersion;
}

}  // namespace volumecrypt::luks

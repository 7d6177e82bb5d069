// SPDX-License-Identifier: Apache-2.0
// Writes the marker's fields to their places, and reads them back.
#include "luks/encryption_marker.h"

#include "crypto/digest.h"

namespace volumecrypt::luks {
namespace {

constexpr std::string_view kEncryptingText = "VOLUMECRYPT-ENCRYPTING";
constexpr std::size_t kEncryptingVersionAt = 32;
constexpr char kEncryptingVersion = 1;
constexpr std::size_t kVolumeAt = 64;
constexpr std::size_t kVolumeSize = 256;
constexpr std::size_t kNumbersAt = 320;
constexpr std::size_t kSegmentDigestAt = 352;
constexpr std::size_t kHeaderDigestAt = 384;
constexpr std::size_t kEncryptingChecksumAt = kEncryptionMarkerSize - crypto::kSha256Size;

void putNumber(std::string &block, std::size_t at, std::uint64_t number) {
    for (std::size_t i = 0; i < 8; ++i)
        block[at + i] = static_cast<char>((number >> (56 - 8 * i)) & 0xffU);
}

std::uint64_t numberAt(std::string_view block, std::size_t at) {
    std::uint64_t number = 0;
    for (const char byte : block.substr(at, 8))
        number = (number << 8U) | static_cast<unsigned char>(byte);
    return number;
}

}  // namespace

base::Result<std::string> EncryptionMarker::bytes() const {
    if (volume.empty() || volume.size() >= kVolumeSize ||
        segmentDigest.size() != crypto::kSha256Size || headerDigest.size() != crypto::kSha256Size)
        return base::fail(base::ErrorCode::Internal, "a marker that cannot be written");
    std::string block(kEncryptionMarkerSize, '\0');
    block.replace(0, kEncryptingText.size(), kEncryptingText);
    block[kEncryptingVersionAt] = kEncryptingVersion;
    block.replace(kVolumeAt, volume.size(), volume);
    std::size_t at = kNumbersAt;
    for (const std::uint64_t number : {deviceSize, segmentOffset, headerOffset, headerSize}) {
        putNumber(block, at, number);
        at += 8;
    }
    block.replace(kSegmentDigestAt, segmentDigest.size(), segmentDigest);
    block.replace(kHeaderDigestAt, headerDigest.size(), headerDigest);
    const std::string checksum =
        crypto::sha256(std::string_view(block).substr(0, kEncryptingChecksumAt));
    block.replace(kEncryptingChecksumAt, checksum.size(), checksum);
    return block;
}

std::optional<EncryptionMarker> encryptionMarkerIn(std::string_view block,
                                                   std::uint64_t deviceSize) {
    if (block.size() < kEncryptionMarkerSize || !block.starts_with(kEncryptingText)) return {};
    block = block.substr(0, kEncryptionMarkerSize);
    EncryptionMarker marker;
    const std::string_view name = block.substr(kVolumeAt, kVolumeSize);
    marker.volume = name.substr(0, name.find('\0'));
    marker.deviceSize = numberAt(block, kNumbersAt);
    marker.segmentOffset = numberAt(block, kNumbersAt + 8);
    marker.headerOffset = numberAt(block, kNumbersAt + 16);
    marker.headerSize = numberAt(block, kNumbersAt + 24);
    marker.segmentDigest = block.substr(kSegmentDigestAt, crypto::kSha256Size);
    marker.headerDigest = block.substr(kHeaderDigestAt, crypto::kSha256Size);
    const auto expected = marker.bytes();
    if (!expected || *expected != block) return {};
    // The device may have become larger since, never smaller.
    const bool isPlaced =
        marker.deviceSize >= kTailRoom + kDataShift && marker.deviceSize <= deviceSize &&
        marker.segmentOffset == marker.deviceSize - kDataShift &&
        marker.headerOffset == marker.deviceSize - kTailRoom && marker.headerSize > 0 &&
        marker.headerSize <= kDataShift && marker.headerSize % 4096 == 0;
    if (!isPlaced) return {};
    return marker;
}

bool isOtherEncryptionMarker(std::string_view block, std::uint64_t deviceSize) {
    return block.starts_with(kEncryptingText) && !encryptionMarkerIn(block, deviceSize);
}

}  // namespace volumecrypt::luks

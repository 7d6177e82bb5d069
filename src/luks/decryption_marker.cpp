// SPDX-License-Identifier: Apache-2.0
// Writes the fields of marker and records to their places, and reads them back.
#include "luks/decryption_marker.h"

#include "crypto/digest.h"

namespace volumecrypt::luks {
namespace {

constexpr std::string_view kDecryptingText = "VOLUMECRYPT-DECRYPTING";
constexpr std::string_view kDecryptedText = "VOLUMECRYPT-DECRYPTED-TO";
constexpr std::size_t kDecryptingVersionAt = 32;
constexpr char kDecryptingVersion = 1;
constexpr std::size_t kNameAt = 64;
constexpr std::size_t kNameSize = 256;
constexpr std::size_t kPlacesAt = 320;
constexpr std::size_t kMarkerNonceAt = 344;
constexpr std::size_t kTailDigestAt = 384;
constexpr std::size_t kMarkerSumAt = kDecryptionMarkerSize - crypto::kSha256Size;
constexpr std::size_t kPhaseAt = 33;
constexpr std::size_t kNumberAt = 40;
constexpr std::size_t kDoneAt = 48;
constexpr std::size_t kRecordNonceAt = 64;
constexpr std::size_t kFirstSectorAt = 512;
constexpr std::size_t kRecordSumAt = kDecryptionBlock - crypto::kSha256Size;
constexpr std::uint64_t kBetweenRecords = std::uint64_t{64} << 10;

void putPlace(std::string &block, std::size_t at, std::uint64_t number) {
    for (std::size_t i = 0; i < 8; ++i)
        block[at + i] = static_cast<char>((number >> (56 - 8 * i)) & 0xffU);
}

std::uint64_t placeAt(std::string_view block, std::size_t at) {
    std::uint64_t number = 0;
    for (const char byte : block.substr(at, 8))
        number = (number << 8U) | static_cast<unsigned char>(byte);
    return number;
}

void putText(std::string &block, std::size_t at, std::string_view text) {
    block.replace(at, text.size(), text);
}

void putSum(std::string &block, std::size_t at) {
    putText(block, at, crypto::sha256(std::string_view(block).substr(0, at)));
}

}  // namespace

base::Result<std::string> DecryptionMarker::bytes() const {
    if (volume.empty() || volume.size() >= kNameSize || nonce.size() != kDecryptionNonceSize ||
        digest.size() != crypto::kSha256Size)
        return base::fail(base::ErrorCode::Internal, "a marker that cannot be written");
    std::string block(kDecryptionMarkerSize, '\0');
    putText(block, 0, kDecryptingText);
    block[kDecryptingVersionAt] = kDecryptingVersion;
    putText(block, kNameAt, volume);
    putPlace(block, kPlacesAt, tail);
    putPlace(block, kPlacesAt + 8, dataOffset);
    putPlace(block, kPlacesAt + 16, length);
    putText(block, kMarkerNonceAt, nonce);
    putText(block, kTailDigestAt, digest);
    putSum(block, kMarkerSumAt);
    return block;
}

std::uint64_t DecryptionMarker::recordAt(std::uint64_t sequence) const {
    return headAt() + kDecryptionHead + kBetweenRecords * (sequence % 2);
}

bool DecryptionMarker::isPlaced(std::uint64_t deviceSize) const {
    const bool whole = tail % kDecryptionBlock == 0 && dataOffset % kDecryptionBlock == 0 &&
                       length % kDecryptionBlock == 0;
    // In this order none of the sums can overflow.
    return whole && deviceSize <= (std::uint64_t{1} << 62U) && tail <= deviceSize &&
           dataOffset <= deviceSize && length <= deviceSize && dataOffset >= kDecryptionHead &&
           length >= kDecryptionHead && dataOffset + length <= tail &&
           tail + dataOffset + kDecryptionRoom <= deviceSize;
}

std::optional<DecryptionMarker> decryptionMarkerIn(std::string_view block,
                                                   std::uint64_t deviceSize) {
    if (block.size() < kDecryptionMarkerSize || !block.starts_with(kDecryptingText)) return {};
    block = block.substr(0, kDecryptionMarkerSize);
    DecryptionMarker marker;
    const std::string_view name = block.substr(kNameAt, kNameSize);
    marker.volume = name.substr(0, name.find('\0'));
    marker.tail = placeAt(block, kPlacesAt);
    marker.dataOffset = placeAt(block, kPlacesAt + 8);
    marker.length = placeAt(block, kPlacesAt + 16);
    marker.nonce = block.substr(kMarkerNonceAt, kDecryptionNonceSize);
    marker.digest = block.substr(kTailDigestAt, crypto::kSha256Size);
    const auto expected = marker.bytes();
    if (!expected || *expected != block || !marker.isPlaced(deviceSize)) return {};
    return marker;
}

bool isOtherDecryptionMarker(std::string_view block, std::uint64_t deviceSize) {
    return block.starts_with(kDecryptingText) && !decryptionMarkerIn(block, deviceSize);
}

std::string DecryptionRecord::bytes() const {
    std::string block(kDecryptionBlock, '\0');
    putText(block, 0, kDecryptedText);
    block[kDecryptingVersionAt] = kDecryptingVersion;
    block[kPhaseAt] = static_cast<char>(phase);
    putPlace(block, kNumberAt, sequence);
    putPlace(block, kDoneAt, done);
    putText(block, kRecordNonceAt, nonce);
    putText(block, kFirstSectorAt, firstSector);
    putSum(block, kRecordSumAt);
    return block;
}

std::optional<DecryptionRecord> decryptionRecordIn(std::string_view block,
                                                   const DecryptionMarker &marker) {
    if (block.size() != kDecryptionBlock || !block.starts_with(kDecryptedText)) return {};
    DecryptionRecord record;
    record.phase = static_cast<DecryptionPhase>(block[kPhaseAt]);
    record.sequence = placeAt(block, kNumberAt);
    record.done = placeAt(block, kDoneAt);
    record.nonce = block.substr(kRecordNonceAt, kDecryptionNonceSize);
    record.firstSector = block.substr(kFirstSectorAt, kDecryptionMarkerSize);
    const bool known =
        record.phase == DecryptionPhase::Moving || record.phase == DecryptionPhase::Ending;
    const bool fits = known && record.nonce == marker.nonce && record.bytes() == block &&
                      record.done >= kDecryptionHead && record.done <= marker.length &&
                      record.done % kDecryptionBlock == 0;
    if (!fits || (record.phase == DecryptionPhase::Ending && record.done != marker.length))
        return {};
    return record;
}

}  // namespace volumecrypt::luks

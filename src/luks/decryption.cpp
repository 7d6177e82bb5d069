// SPDX-License-Identifier: Apache-2.0
// The loop, the switch before it and the switch behind it.
#include "luks/decryption.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/random.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "crypto/digest.h"
#include "crypto/xts.h"
#include "luks/block_write.h"
#include "luks/header_image.h"
#include "luks/library.h"
#include "luks/metadata.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

constexpr std::uint64_t kCopyPiece = std::uint64_t{1} << 20;
constexpr std::uint64_t kLargestPart = std::uint64_t{8} << 20;

base::Status flushAll(int fd) {
    if (::fsync(fd) < 0) return base::fail(base::errnoError("write to the disk", errno));
    return {};
}

base::Status putBytes(int fd, std::string_view bytes, std::uint64_t offset) {
    return base::writeExactly(fd, std::as_bytes(std::span(bytes)), offset);
}

base::Result<std::string> getBytes(int fd, std::uint64_t offset, std::uint64_t size) {
    std::string bytes(size, '\0');
    VC_TRY(base::readExactly(fd, std::as_writable_bytes(std::span(bytes)), offset));
    return bytes;
}

base::Status zeroRange(int fd, std::uint64_t from, std::uint64_t to) {
    const std::vector<std::byte> zeros(kCopyPiece);
    for (std::uint64_t at = from; at < to; at += kCopyPiece)
        VC_TRY(base::writeExactly(fd, std::span(zeros).first(std::min(kCopyPiece, to - at)), at));
    return {};
}

// What the tail is a copy of: the header, and the head behind it.
std::uint64_t sizeOfCopies(const DecryptionMarker &marker) {
    return marker.dataOffset + kDecryptionHead;
}

base::Result<std::string> digestOfTail(int fd, const DecryptionMarker &marker) {
    return crypto::sha256OfRange({}, fd, marker.tail, sizeOfCopies(marker));
}

base::Status copyToTail(int fd, const DecryptionMarker &marker) {
    for (std::uint64_t at = 0; at < sizeOfCopies(marker); at += kCopyPiece) {
        const std::uint64_t size = std::min(kCopyPiece, sizeOfCopies(marker) - at);
        VC_ASSIGN(const std::string piece, getBytes(fd, at, size));
        VC_TRY(putBytes(fd, piece, marker.tail + at));
    }
    return flushAll(fd);
}

// Into the place of the older one. Flushed by the caller.
base::Status putRecord(int fd, const DecryptionMarker &marker, DecryptionRecord &record) {
    ++record.sequence;
    return putBytes(fd, record.bytes(), marker.recordAt(record.sequence));
}

// Reads what is on the disk, not what is still in memory of it.
void dropCached(int fd, std::uint64_t offset, std::uint64_t size) {
    (void)::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(size),
                          POSIX_FADV_DONTNEED);
}

base::Error tailGone() {
    return {ErrorCode::HeaderCorrupt,
            "its decryption had begun, and what was put aside at the end of the device is not "
            "there any more",
            "Nothing was written. Copy the device before anything else. A header backup and the "
            "offset to which the data was decrypted are needed to go on."};
}

class Mover {
  public:
    Mover(int fd, const DecryptionMarker &marker, const DecryptionCipher &cipher,
          const ReencryptionControl &control)
        : fd_(fd), marker_(marker), cipher_(cipher), control_(control) {}

    // False when it was stopped.
    base::Result<bool> run();

  private:
    [[nodiscard]] std::uint64_t partSize() const;
    base::Status decryptTo(std::uint64_t source, std::uint64_t position, std::span<std::byte> part);
    base::Status movePart(std::span<std::byte> part);
    base::Status putHead();
    bool mayGoOn();

    int fd_;
    const DecryptionMarker &marker_;
    const DecryptionCipher &cipher_;
    const ReencryptionControl &control_;
    std::optional<crypto::XtsDecryptor> decryptor_;
    DecryptionRecord record_;
    std::uint64_t begunAt_ = 0;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// At most two parts are behind the last record that is certainly on the disk, and they must stay
// below one header's size: then the source of the first of them is still there.
std::uint64_t Mover::partSize() const {
    std::uint64_t most = std::min(kLargestPart, marker_.dataOffset / 2);
    if (control_.chunk != 0) most = std::min(most, control_.chunk);
    if (control_.rate != 0) most = std::min(most, std::max(control_.rate, kCopyPiece));
    return std::max(most - most % kDecryptionBlock, std::uint64_t{kDecryptionBlock});
}

base::Status Mover::decryptTo(std::uint64_t source, std::uint64_t position,
                              std::span<std::byte> part) {
    VC_TRY(base::readExactly(fd_, part, source));
    return decryptor_->decrypt(part, cipher_.sectorSize, cipher_.firstSector + position / 512);
}

// The record says what was flushed before this part was written: it may reach the disk before or
// after the part itself.
base::Status Mover::movePart(std::span<std::byte> part) {
    const std::uint64_t position = record_.done;
    VC_TRY(decryptTo(marker_.dataOffset + position, position, part));
    VC_TRY(base::writeExactly(fd_, part, position));
    VC_TRY(putRecord(fd_, marker_, record_));
    VC_TRY(flushAll(fd_));
    record_.done += part.size();
    return {};
}

bool Mover::mayGoOn() {
    if (control_.progress) control_.progress(record_.done, marker_.length);
    if (!control_.pause) return true;
    std::chrono::milliseconds wait(0);
    if (control_.rate != 0) {
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begun_;
        const double wanted =
            static_cast<double>(record_.done - begunAt_) / static_cast<double>(control_.rate);
        wait = std::chrono::milliseconds(
            static_cast<std::int64_t>(std::max(0.0, wanted - passed.count()) * 1000));
    }
    return control_.pause(wait);
}

// All but the first sector, and that into the record: the key is needed no longer then.
base::Status Mover::putHead() {
    std::vector<std::byte> head(kDecryptionHead);
    VC_TRY(decryptTo(marker_.headAt(), 0, head));
    const std::span<const std::byte> bytes(head);
    VC_TRY(base::writeExactly(fd_, bytes.subspan(kDecryptionMarkerSize), kDecryptionMarkerSize));
    VC_TRY(flushAll(fd_));
    record_.phase = DecryptionPhase::Ending;
    record_.firstSector = crypto::asText(bytes.first(kDecryptionMarkerSize));
    VC_TRY(putRecord(fd_, marker_, record_));
    return flushAll(fd_);
}

base::Result<bool> Mover::run() {
    // What was read may be in memory only, when it was this program that was interrupted and not
    // the machine.
    VC_TRY(flushAll(fd_));
    VC_TRY(forgetCached(fd_));
    VC_ASSIGN(record_, findDecryptionRecord(fd_, marker_));
    if (record_.phase == DecryptionPhase::Ending) return true;
    VC_ASSIGN(decryptor_, crypto::XtsDecryptor::start(cipher_.volumeKey));
    if (record_.done == kDecryptionHead) {
        // The second copy of the header, which others would restore the first from.
        VC_TRY(zeroRange(fd_, kDecryptionMarkerSize, kDecryptionHead));
        VC_TRY(flushAll(fd_));
    }
    begunAt_ = record_.done;
    std::vector<std::byte> buffer(partSize());
    while (record_.done < marker_.length) {
        if (!mayGoOn()) {
            VC_TRY(putRecord(fd_, marker_, record_));
            VC_TRY(flushAll(fd_));
            return false;
        }
        const std::uint64_t left = marker_.length - record_.done;
        VC_TRY(movePart(std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), left))));
    }
    if (control_.progress) control_.progress(marker_.length, marker_.length);
    VC_TRY(putHead());
    return true;
}

}  // namespace

base::Result<FoundDecryptionMarker> findDecryptionMarker(int deviceFd) {
    VC_ASSIGN(const std::uint64_t size, sizeOfDevice(deviceFd));
    if (size < kDecryptionMarkerSize) return FoundDecryptionMarker{};
    VC_ASSIGN(const std::string block, getBytes(deviceFd, 0, kDecryptionMarkerSize));
    return FoundDecryptionMarker{.marker = decryptionMarkerIn(block, size),
                                 .isOther = isOtherDecryptionMarker(block, size)};
}

base::Status prepareDecryption(int deviceFd, DecryptionMarker &marker) {
    marker.nonce.resize(kDecryptionNonceSize);
    if (::getrandom(marker.nonce.data(), marker.nonce.size(), 0) !=
        static_cast<ssize_t>(marker.nonce.size()))
        return base::fail(base::errnoError("get random bytes", errno));
    VC_ASSIGN(const std::uint64_t size, sizeOfDevice(deviceFd));
    if (!marker.isPlaced(size))
        return base::fail(ErrorCode::Internal, "the tail of a decryption has no place");
    VC_TRY(forgetCached(deviceFd));
    VC_TRY(copyToTail(deviceFd, marker));
    DecryptionRecord record{.done = kDecryptionHead, .nonce = marker.nonce, .firstSector = {}};
    // Both places: what is left there from an earlier time shall not be looked at.
    VC_TRY(putRecord(deviceFd, marker, record));
    VC_TRY(putRecord(deviceFd, marker, record));
    VC_TRY(flushAll(deviceFd));
    dropCached(deviceFd, marker.tail, size - marker.tail);
    VC_ASSIGN(marker.digest, crypto::sha256OfRange({}, deviceFd, 0, sizeOfCopies(marker)));
    VC_ASSIGN(const std::string digest, digestOfTail(deviceFd, marker));
    VC_ASSIGN(const DecryptionRecord read, findDecryptionRecord(deviceFd, marker));
    if (digest == marker.digest && read.sequence == record.sequence) return {};
    return base::fail(ErrorCode::Io, "the copy of the header reads otherwise than it was written",
                      "The disk is at fault. Nothing has happened to the volume.");
}

base::Status beginDecryption(int deviceFd, const DecryptionMarker &marker) {
    VC_ASSIGN(const std::string block, marker.bytes());
    VC_TRY(putBytes(deviceFd, block, 0));
    return flushAll(deviceFd);
}

base::Result<DecryptionRecord> findDecryptionRecord(int deviceFd, const DecryptionMarker &marker) {
    std::optional<DecryptionRecord> newer;
    for (const std::uint64_t place : {0U, 1U}) {
        VC_ASSIGN(const std::string block,
                  getBytes(deviceFd, marker.recordAt(place), kDecryptionBlock));
        auto record = decryptionRecordIn(block, marker);
        if (record && record->sequence % 2 == place &&
            (!newer || record->sequence > newer->sequence))
            newer = std::move(record);
    }
    if (!newer) return base::fail(tailGone());
    return std::move(*newer);
}

base::Result<HeaderCopy> headerOfDecryption(int deviceFd, const DecryptionMarker &marker) {
    VC_ASSIGN(const std::string digest, digestOfTail(deviceFd, marker));
    if (digest != marker.digest) return base::fail(tailGone());
    VC_ASSIGN(const base::UniqueFd memory, newImage());
    for (std::uint64_t at = 0; at < marker.dataOffset; at += kCopyPiece) {
        const std::uint64_t size = std::min(kCopyPiece, marker.dataOffset - at);
        VC_ASSIGN(const std::string piece, getBytes(deviceFd, marker.tail + at, size));
        VC_TRY(putBytes(memory.get(), piece, at));
    }
    return copyHeader(memoryPath(memory.get()));
}

base::Result<bool> moveDecrypted(int deviceFd, const DecryptionMarker &marker,
                                 const DecryptionCipher &cipher,
                                 const ReencryptionControl &control) {
    return Mover(deviceFd, marker, cipher, control).run();
}

base::Status endDecryption(int deviceFd, const DecryptionMarker &marker,
                           const std::function<base::Status()> &beforeLast) {
    VC_TRY(flushAll(deviceFd));
    VC_ASSIGN(const DecryptionRecord record, findDecryptionRecord(deviceFd, marker));
    if (record.phase != DecryptionPhase::Ending)
        return base::fail(ErrorCode::Internal, "a decryption was to end before its time");
    VC_TRY(zeroRange(deviceFd, marker.tail, marker.tail + sizeOfCopies(marker)));
    // The header itself, where the data is too short to have taken its place.
    VC_TRY(zeroRange(deviceFd, marker.length, marker.dataOffset));
    VC_TRY(flushAll(deviceFd));
    VC_TRY(beforeLast());
    VC_TRY(putBytes(deviceFd, record.firstSector, 0));
    VC_TRY(flushAll(deviceFd));
    VC_TRY(zeroRange(deviceFd, marker.recordAt(0), marker.recordAt(1) + kDecryptionBlock));
    return flushAll(deviceFd);
}

}  // namespace volumecrypt::luks

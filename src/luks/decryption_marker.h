// SPDX-License-Identifier: Apache-2.0
// What a device holds besides its data while it is decrypted where it is: the marker in its first
// sector, and at its end what that points to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::luks {

// The first part of the plain data is put aside and written last: until then nobody can take the
// device for a file system.
inline constexpr std::uint64_t kDecryptionHead = std::uint64_t{1} << 20;
inline constexpr std::size_t kDecryptionBlock = 4096;
// Behind the header at the end: head, two records, and room so that it is a round number.
inline constexpr std::uint64_t kDecryptionRoom = std::uint64_t{4} << 20;

// In the first 512 bytes of the device, numbers big-endian:
//     0  "VOLUMECRYPT-DECRYPTING"
//    32  version: 1
//    64  ID of the volume, at most 255 bytes, closed by a zero
//   320  where the tail is: its offset
//   328  where the encrypted data began, which is the size of the header: bytes
//   336  how much of the data there is: bytes
//   344  16 random bytes, the same as in the records of this decryption
//   384  SHA-256 of the header and the encrypted head in the tail
//   480  SHA-256 of the bytes 0 to 479
// In the tail: the header with its key slots, the head as it was encrypted, and two records, of
// which the newer one counts. The data does not reach into the tail, neither before nor after.
struct DecryptionMarker {
    std::string volume;
    std::uint64_t tail = 0;        // offset, a multiple of 4096
    std::uint64_t dataOffset = 0;  // bytes, a multiple of 4096
    std::uint64_t length = 0;      // bytes, a multiple of 4096
    std::string nonce;
    std::string digest;

    // The 512 bytes. Internal when the ID is too long.
    [[nodiscard]] base::Result<std::string> bytes() const;
    [[nodiscard]] std::uint64_t headAt() const { return tail + dataOffset; }
    [[nodiscard]] std::uint64_t recordAt(std::uint64_t sequence) const;
    // Whether everything is where this version places it, on a device of that size.
    [[nodiscard]] bool isPlaced(std::uint64_t deviceSize) const;
};

inline constexpr std::size_t kDecryptionMarkerSize = 512;
inline constexpr std::size_t kDecryptionNonceSize = 16;

// Of the first bytes of a device of this size; empty when there is none that is whole and placed.
std::optional<DecryptionMarker> decryptionMarkerIn(std::string_view block,
                                                   std::uint64_t deviceSize);
// Whether there is one that this version does not understand: nothing may be written then.
bool isOtherDecryptionMarker(std::string_view block, std::uint64_t deviceSize);

// Moving: the data up to `done` is plain and where it shall be, but for the head. Ending: all of it
// is, but for the first sector, which is here; neither header nor key is needed any more.
enum class DecryptionPhase : unsigned char { Moving = 1, Ending = 2 };

// A block of 4096 bytes, numbers big-endian:
//     0  "VOLUMECRYPT-DECRYPTED-TO"
//    32  version: 1
//    33  phase
//    40  number of the record
//    48  done: bytes
//    64  the marker's 16 random bytes
//   512  Ending: the first sector
//  4064  SHA-256 of the bytes 0 to 4063
struct DecryptionRecord {
    DecryptionPhase phase = DecryptionPhase::Moving;
    std::uint64_t sequence = 0;
    std::uint64_t done = 0;
    std::string nonce;
    std::string firstSector;

    [[nodiscard]] std::string bytes() const;
};

// Empty when it is not whole, or not of that marker.
std::optional<DecryptionRecord> decryptionRecordIn(std::string_view block,
                                                   const DecryptionMarker &marker);

}  // namespace volumecrypt::luks

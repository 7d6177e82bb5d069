// SPDX-License-Identifier: Apache-2.0
// The marker of an encryption in place whose first segment is being exchanged for the header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::luks {

// The data moves up by so much, to make room for the header.
inline constexpr std::uint64_t kDataShift = std::uint64_t{16} << 20;
// What has to be free at the end of a device: room for the first segment, and before it a gap,
// where the copy of the header is until the first encrypted chunk takes its place.
inline constexpr std::uint64_t kTailRoom = 2 * kDataShift;

// In the first 512 bytes of the device, numbers big-endian:
//     0  "VOLUMECRYPT-ENCRYPTING"
//    32  version: 1
//    64  ID of the volume, at most 255 bytes, closed by a zero
//   320  size of the device, in bytes
//   328  where the first 16 MiB of the plain device are: their offset
//   336  where the copy of the header is: its offset
//   344  its length
//   352  SHA-256 of the first segment
//   384  SHA-256 of the header
//   480  SHA-256 of the bytes 0 to 479
// While it stands, both copies are whole on the disk.
struct EncryptionMarker {
    std::string volume;
    std::uint64_t deviceSize = 0;
    std::uint64_t segmentOffset = 0;
    std::uint64_t headerOffset = 0;
    std::uint64_t headerSize = 0;
    std::string segmentDigest;
    std::string headerDigest;

    // The 512 bytes. Internal when the ID is too long.
    [[nodiscard]] base::Result<std::string> bytes() const;
};

inline constexpr std::size_t kEncryptionMarkerSize = 512;

// Of the first bytes of a device of this size. Empty when there is none that is whole and places
// its copies within the device as this version does.
std::optional<EncryptionMarker> encryptionMarkerIn(std::string_view block,
                                                   std::uint64_t deviceSize);
// Whether there is one that this version does not understand: nothing may be written then.
bool isOtherEncryptionMarker(std::string_view block, std::uint64_t deviceSize);

}  // namespace volumecrypt::luks

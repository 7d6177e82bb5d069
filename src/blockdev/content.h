// SPDX-License-Identifier: Apache-2.0
// What is on a device: nothing at all, LUKS, a file system, or something that must not be written
// to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace volumecrypt::blockdev {

enum class ContentKind {
    Blank,  // proven: libblkid finds nothing, both 16 MiB ends and 256 random 4 KiB blocks are zero
    Luks1,
    Luks2,
    Filesystem,  // `type` says which; swap included
    Raid,        // MD, LVM2 and other members of a larger whole
    PartitionTable,
    Ambivalent,  // libblkid found signatures of more than one kind
    Unknown,     // no signature, but not zero either
};

// One signature of several, and where wipefs(8) would find it.
struct Signature {
    std::string type;
    std::uint64_t offset = 0;

    friend bool operator==(const Signature &, const Signature &) = default;
};

// A LUKS header beside what `kind` says; it may be that of a volume in use.
enum class LuksBeside { None, Primary1, Primary2, SecondaryOnly };

struct Content {
    ContentKind kind = ContentKind::Unknown;
    std::string type;   // libblkid's TYPE or PTTYPE; empty for Blank and Unknown
    std::string label;  // file system label
    std::string uuid;
    LuksBeside luks = LuksBeside::None;
    std::vector<Signature> signatures;  // with a primary header beside: all that there are
    // Whoever gives up what is on the device may give up an encrypted volume.
    [[nodiscard]] bool hasLuks() const;
    // "an ext4 file system labelled \"data\"", "a RAID member (linux_raid_member)", …: for
    // messages.
    [[nodiscard]] std::string describe() const;
};

// Never writes. Io. `fd` is open for reading; `size` in bytes.
base::Result<Content> probeContent(int fd, std::uint64_t size);

// Whether a device is zero where it matters and where chance looks.

inline constexpr std::uint64_t kEndLength = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kSampleLength = 4096;
inline constexpr std::uint64_t kSampleCount = 256;

// Every byte of the range is zero. Io.
base::Result<bool> isZero(int fd, std::uint64_t offset, std::uint64_t length);

// The first and last kEndLength bytes are zero, and so are kSampleCount random blocks of
// kSampleLength between them; all of it where that is no more. Io.
base::Result<bool> looksZero(int fd, std::uint64_t size);

}  // namespace volumecrypt::blockdev

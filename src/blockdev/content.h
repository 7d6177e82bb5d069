// SPDX-License-Identifier: Apache-2.0
// What is on a device: nothing at all, LUKS, a file system, or something that must not be written
// to.
#pragma once

#include <string>

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

struct Content {
    ContentKind kind = ContentKind::Unknown;
    std::string type;   // libblkid's TYPE or PTTYPE; empty for Blank and Unknown
    std::string label;  // file system label
    std::string uuid;
    // "an ext4 file system labelled \"data\"", "a RAID member (linux_raid_member)", …: for
    // messages.
    [[nodiscard]] std::string describe() const;
};

// Never writes. Io. `fd` is open for reading; `size` in bytes.
base::Result<Content> probeContent(int fd, std::uint64_t size);

}  // namespace volumecrypt::blockdev

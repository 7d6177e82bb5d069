// SPDX-License-Identifier: Apache-2.0
// Bringing bytes to a device, of which those blocks are written that differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::luks {

// In bytes. What is written begins and ends at a multiple of it, so that one block of the device is
// of the one or the other content once it is written.
inline constexpr std::size_t kBlock = 4096;

// In bytes: what a disk writes whole, or not at all.
inline constexpr std::size_t kWhole = 512;

// `wanted` at `offset` of an open device or file. Io.
base::Status writeDifferent(int fd, std::string_view wanted, std::uint64_t offset);

// The bytes from `begin` to `end` of a memfd to the same place on the device, in the same way. Io.
base::Status copyBlocks(int memory, int device, std::uint64_t begin, std::uint64_t end);

// From here on reads of a block device come from the disk. The kernel may have kept parts of it
// from before: what is written through a mapping does not renew them, and they would be decrypted
// to old data. Io. To be called when nobody can write through a mapping any more.
base::Status forgetCached(int deviceFd);

// Down to the disk. Io.
base::Status flush(int fd);

}  // namespace volumecrypt::luks

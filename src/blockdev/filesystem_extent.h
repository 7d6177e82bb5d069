// SPDX-License-Identifier: Apache-2.0
// How much of its device a file system takes up, by its own superblock.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace volumecrypt::blockdev {

struct FilesystemExtent {
    std::string type;         // as libblkid calls it
    std::uint64_t bytes = 0;  // from the start of the device; what is behind is nobody's
    // The smallest piece that it reads or writes: a device with larger sectors cannot hold it.
    unsigned unit = 512;
    // It can become smaller where it is.
    bool shrinks = false;
    // Why its size cannot be trusted, or why it must not be touched; empty when all is well. A
    // journal that is not replayed may hold another size.
    std::string trouble;
};

// `type` as libblkid says: ext2, ext3, ext4, xfs, btrfs, vfat, swap. Unsupported for any other, and
// for those in a form that is not known; Io.
base::Result<FilesystemExtent> readExtent(int fd, const std::string &type);

// What the superblock does not say: the log of an xfs that is to be replayed, which may hold
// another size. As FilesystemExtent::trouble. Unsupported when the program is missing, Io.
base::Result<std::string> logTrouble(const std::string &path, const std::string &type);

// By which an ext file system is known again, in hexadecimal; empty when there is none. Of a
// superblock whose checksum is wrong as well: a change of its size that was interrupted may leave
// one.
base::Result<std::string> extUuid(int fd);

// Repairs what an interrupted shrinkFilesystem left of an ext file system that was whole before. Io
// with the program's words; Unsupported when it is missing.
base::Status mendShrunk(const std::string &path);

// Makes the file system on `path` (of a device that nobody uses) end at `bytes` at most. It may be
// interrupted anywhere: afterwards the file system has its old size or the new one, and ext4 may
// need mendShrunk. Unsupported when a program is missing (the package is in
// the hint); NoSpace when what it holds needs more; Io when it is damaged, with the program's
// words.
base::Status shrinkFilesystem(const std::string &path, const FilesystemExtent &present,
                              std::uint64_t bytes);

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// Whole small files: read, and write so that a power cut leaves the old or the new content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::base {

// At most `limit` bytes; a longer file is an Io error.
Result<std::string> readFile(const std::string &path, std::size_t limit = std::size_t{16} << 20);
// The rest of an open file, which is called `path` in errors.
Result<std::string> readAll(int fd, const std::string &path, std::size_t limit);

// Whether a new file is flushed to the disk before it takes the old one's place. No is for what a
// power cut ends anyway, as in /run.
enum class Flush : bool { No, Yes };

// Temporary file in the same directory, fsync, rename, fsync of the directory. Parents are made
// (0755).
Status writeFileAtomically(const std::string &path, std::string_view content, unsigned mode,
                           Flush flush = Flush::Yes);

Status makeDirectories(const std::string &path, unsigned mode = 0755);

// Exactly bytes.size() bytes at `offset`; a short read is an Io error.
Status readExactly(int fd, std::span<std::byte> bytes, std::uint64_t offset);
Status writeExactly(int fd, std::span<const std::byte> bytes, std::uint64_t offset);

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// Whole small files: read, and write so that a power cut leaves the old or the new content. Links
// on the way to a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

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

// Where the symbolic links of a path lead, and whether only root can have made them.

struct LinkWalk {
    std::string target;            // without links, as far as there is anything
    std::vector<std::string> way;  // the directories and links that were passed, in their order
    bool endsInLink = false;       // the path itself, and not only a directory of it, is a link
};

// What is not there (yet) stays in the target as it is written. Io: more than 40 links.
Result<LinkWalk> walkLinks(const std::string &path);

// `path` opened for reading, never waiting for anybody. A path that is a link is followed when each
// directory and link on the way belongs to root (or the caller) and nobody else can put another in
// its place: else InvalidConfig, which names the one that does not.
Result<UniqueFd> openFollowing(const std::string &path);

}  // namespace volumecrypt::base

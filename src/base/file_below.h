// SPDX-License-Identifier: Apache-2.0
// Small files inside a mounted volume, or another directory that anybody may have filled. Below the
// directory no symbolic link is followed, and only a regular file is opened: a FIFO would let us
// wait for ever, a device would do whatever it does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {

struct FileBelow {
    std::string root;  // the mount point: what leads there is trusted
    std::string name;  // relative to it, without `.` and `..`

    [[nodiscard]] std::string path() const { return root + "/" + name; }
};

// Whether there is anything of that name, whatever it is. A directory on the way that is missing is
// an answer; one that is no directory, or a symbolic link, is an Io error.
Result<bool> existsBelow(const FileBelow &file);

// For reading. NotFound; Io when it is no regular file.
Result<UniqueFd> openBelow(const FileBelow &file);
// At most `limit` bytes; a longer file is an Io error.
Result<std::string> readBelow(const FileBelow &file, std::size_t limit);

// As writeFileAtomically; replaces what has the name, unless that is a directory.
Status writeBelow(const FileBelow &file, std::string_view content, unsigned mode);

// Removes what has the name, unless that is a directory with something in it. Absent is success.
Status removeBelow(const FileBelow &file);

}  // namespace volumecrypt::base

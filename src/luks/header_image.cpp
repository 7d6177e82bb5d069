// SPDX-License-Identifier: Apache-2.0
// Copies ranges of a device into a memfd by sendfile(2).
#include "luks/header_image.h"

#include <cerrno>
#include <string>

#include <sys/sendfile.h>

#include <fcntl.h>
#include <unistd.h>

namespace volumecrypt::luks {

using base::ErrorCode;

base::Result<base::UniqueFd> newImage() {
    return base::makeMemfd("volumecrypt-header");
}

base::Status leaveOut(int image, std::uint64_t offset, std::uint64_t size) {
    if (::fallocate(image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(size)) < 0)
        return base::fail(base::errnoError("leave out a copy of the header", errno));
    return {};
}

base::Status copyIn(int image, int device, std::uint64_t offset, std::uint64_t size,
                    std::string_view what) {
    auto from = static_cast<off_t>(offset);
    const auto end = static_cast<off_t>(offset + size);
    if (::lseek(image, from, SEEK_SET) < 0)
        return base::fail(base::errnoError("make a place for " + std::string(what), errno));
    while (from < end) {
        const ssize_t done = ::sendfile(image, device, &from, static_cast<std::size_t>(end - from));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return base::fail(base::errnoError("read " + std::string(what), errno));
        if (done == 0)
            return base::fail(ErrorCode::Io, "the device ends within " + std::string(what));
    }
    return {};
}

}  // namespace volumecrypt::luks

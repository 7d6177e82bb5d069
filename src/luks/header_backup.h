// SPDX-License-Identifier: Apache-2.0
// A whole header as a file, in the form of `cryptsetup luksHeaderBackup`: both copies of the
// metadata, then all key slot areas, each at its place on the device.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_copy.h"
#include "luks/metadata.h"

namespace volumecrypt::luks {

// In bytes: the largest header that there can be.
inline constexpr std::uint64_t kLargestBackup = 2 * kLargestCopy + kLargestKeyslots;

struct HeaderImage {
    HeaderCopy copy;         // validated; `memory` has the key slot areas as well
    std::uint64_t size = 0;  // bytes of it
};

// Asked between reads and writes: its error ends them.
using CheckStop = std::function<base::Status()>;

// The header of a device. Where one of its copies is damaged or old, both are that of the current
// one. Nothing is written. Errors as copyHeader.
base::Result<HeaderImage> imageOf(const std::string &path);
// The same, of a header that was read just now: its key slot areas are added. Io.
base::Result<HeaderImage> imageOf(HeaderCopy copy);

// A backup from a descriptor (regular file, memfd or pipe), read once and whole; what follows the
// header in it is passed over. Nobody vouches for it: it is validated as the header of a device of
// `deviceSize` bytes. InvalidConfig when the descriptor is of another type, holds more than a
// header can have, or gives nothing for half a minute; HeaderCorrupt when it ends too early; else
// as copyHeader.
base::Result<HeaderImage> readBackup(int fd, std::uint64_t deviceSize, const CheckStop &checkStop);

// Whether writeBackup can write there: an empty regular file or memfd, or a pipe, open for writing.
// InvalidConfig.
base::Status expectPlaceForBackup(int fd);
// All of it, in order, down to the disk where there is one. Io.
base::Status writeBackup(const HeaderImage &image, int fd, const CheckStop &checkStop);

}  // namespace volumecrypt::luks

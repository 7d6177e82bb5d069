// SPDX-License-Identifier: Apache-2.0
// Whether the plain file system on a volume's device can be encrypted where it is: everything that
// a person has to know before anything is written.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "blockdev/filesystem_extent.h"
#include "volume/device_state.h"
#include "volume/session.h"

namespace volumecrypt::volume {

struct PlainContent {
    blockdev::FilesystemExtent extent;
    std::uint64_t most = 0;     // bytes that it may have: what is behind makes room for the header
    unsigned sectorSize = 512;  // of the encrypted volume

    [[nodiscard]] bool hasRoom() const { return extent.bytes <= most; }
};

// Writes nothing. NotBlank (not a file system, or not the declared one), Busy (who uses it),
// Unsupported (another kind; not clean; sectors that do not fit), NoSpace (and it cannot become
// smaller), Io.
base::Result<PlainContent> expectEncryptable(const Session &session, const DeviceContent &found);

// Of a device that is open: the same about what may have changed since.
base::Result<PlainContent> measurePlain(const Session &session, int fd, const std::string &type);

}  // namespace volumecrypt::volume

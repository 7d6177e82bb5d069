// SPDX-License-Identifier: Apache-2.0
// Known signatures on a device: libblkid's, and LUKS2 headers that libblkid may not see.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "blockdev/content.h"

namespace volumecrypt::blockdev {

// Empty when nothing is known about what is there: that alone does not make a device blank. Io.
base::Result<std::optional<Content>> findSignature(int fd, std::uint64_t size);

struct LuksMagic {
    unsigned primaryVersion = 0;  // as written at byte 6; 0 when sector 0 holds no LUKS header
    // Without a primary header: a LUKS2 secondary one at an offset that it may have. With one,
    // where the other is can be read there.
    bool secondary = false;
};

base::Result<LuksMagic> findLuksMagic(int fd, std::uint64_t size);

}  // namespace volumecrypt::blockdev

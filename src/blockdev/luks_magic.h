// SPDX-License-Identifier: Apache-2.0
// LUKS headers by their magic bytes alone.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace volumecrypt::blockdev {

struct LuksMagic {
    unsigned primaryVersion = 0;  // as written at byte 6; 0 when sector 0 holds no LUKS header
    bool secondary = false;       // a LUKS2 secondary header at one of the offsets it may have
};

base::Result<LuksMagic> findLuksMagic(int fd, std::uint64_t size);

}  // namespace volumecrypt::blockdev

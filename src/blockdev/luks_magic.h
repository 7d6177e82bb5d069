// SPDX-License-Identifier: Apache-2.0
// LUKS headers by their magic bytes alone.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace volumecrypt::blockdev {

struct LuksMagic {
    unsigned primaryVersion = 0;  // as written at byte 6; 0 when sector 0 holds no LUKS header
    // Without a primary header: a LUKS2 secondary one at an offset that it may have. With one,
    // where the other is can be read there.
    bool secondary = false;
};

base::Result<LuksMagic> findLuksMagic(int fd, std::uint64_t size);

}  // namespace volumecrypt::blockdev

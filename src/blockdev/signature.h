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

}  // namespace volumecrypt::blockdev

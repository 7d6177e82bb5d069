// SPDX-License-Identifier: Apache-2.0
// Devices that /etc/crypttab has a use for: with a detached header they look blank.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "blockdev/device.h"
#include "model/system_paths.h"

namespace volumecrypt::blockdev {

// The name under which crypttab(5) opens this device; empty when it does not name it. Io when the
// file is there and cannot be read.
base::Result<std::optional<std::string>> nameInCrypttab(const model::SystemPaths &paths,
                                                        const Device &device);

}  // namespace volumecrypt::blockdev

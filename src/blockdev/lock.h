// SPDX-License-Identifier: Apache-2.0
// flock with a time limit.
#pragma once

#include <chrono>

#include "base/result.h"
#include "base/unique_fd.h"
#include "blockdev/device.h"
#include "model/system_paths.h"

namespace volumecrypt::blockdev {

// For the lock that orders operations on one volume.
inline constexpr std::chrono::milliseconds kLockPatience{5000};
// For the disk itself: at first boot all its volumes are formatted at once, each in its turn.
inline constexpr std::chrono::milliseconds kDiskPatience{60000};

// Exclusive. False when somebody else still held it at the end of the time. Io.
base::Result<bool> flockWithin(int fd, std::chrono::milliseconds limit);

base::Result<base::UniqueFd> lockDeviceWithin(const model::SystemPaths &paths, const Device &device,
                                              std::chrono::milliseconds limit);

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// flock with a time limit.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "blockdev/device.h"
#include "model/system_paths.h"

namespace volumecrypt::blockdev {

// For the lock that orders operations on one volume.
inline constexpr std::chrono::milliseconds kLockPatience{5000};
// For the disk itself: at first boot all its volumes are formatted at once, each in its turn.
inline constexpr std::chrono::milliseconds kDiskPatience{60000};

// Exclusive. False when somebody else still held it at the end of the time. Io; the error of
// `checkStop`, which is asked all the while.
base::Result<bool> flockWithin(int fd, std::chrono::milliseconds limit,
                               const CheckStop &checkStop = {});

// The holder's process ID, in the lock file as a courtesy to the next one that has to wait: the
// lock does not depend on it. Empty when there is none.
void writeHolder(int fd);
std::string holderOf(const std::string &path);

base::Result<base::UniqueFd> lockDeviceWithin(const model::SystemPaths &paths, const Device &device,
                                              std::chrono::milliseconds limit,
                                              const CheckStop &checkStop = {});

}  // namespace volumecrypt::blockdev

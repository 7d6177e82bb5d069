// SPDX-License-Identifier: Apache-2.0
// openExclusively() with a time limit and kernel view of one's own, for tests.
#pragma once

#include <chrono>

#include "blockdev/device.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {

base::Result<ExclusiveDevice> openExclusivelyWithin(const KernelRoots &roots, const Device &device,
                                                    std::chrono::milliseconds limit,
                                                    const CheckStop &checkStop = {});

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// Who uses a device, in words for people.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "blockdev/device.h"

namespace volumecrypt::blockdev {

// "mounted at /srv", "in use as swap", "under dm-0", "behind /dev/loop3": empty when nobody is
// known to. What has the device open without any of these is not found.
base::Result<std::vector<std::string>> usersOf(const Device &device);
base::Result<std::vector<std::string>> usersOfIn(const KernelRoots &roots, const Device &device);

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// findDevice() over a kernel view of one's own, for tests.
#pragma once

#include "blockdev/device.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {

base::Result<Device> findDeviceIn(const KernelRoots &roots, const model::DeviceSpec &spec);

}  // namespace volumecrypt::blockdev

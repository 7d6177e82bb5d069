// SPDX-License-Identifier: Apache-2.0
// A partition that belongs to another one: META to STATE. A META of another disk may be anybody's.
#pragma once

#include <string>

#include "base/result.h"
#include "blockdev/device.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {

// `path` below /dev/disk/by-partlabel: the partition of that label on the disk of `other`. NotFound
// when there is none, and when `other` is a plain file; AmbiguousDevice. Any other path is looked
// up as it is.
base::Result<Device> findOnSameDisk(const std::string &path, const Device &other);
base::Result<Device> findOnSameDiskIn(const KernelRoots &roots, const std::string &path,
                                      const Device &other);

}  // namespace volumecrypt::blockdev

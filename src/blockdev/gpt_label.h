// SPDX-License-Identifier: Apache-2.0
// Partitions by their GPT label. udev's /dev/disk/by-partlabel link names only one of several.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {

// The label that a path below /dev/disk/by-partlabel/ stands for, udev's \xHH undone; empty for any
// other path.
std::optional<std::string> labelOfLink(const std::string &path);

// Every partition with that label, by device number. Partitions of a disk that is in use as a
// whole (a path of a multipath device, a member of an array) and those seen once more through a
// loop device over the disk are left out: they are the same partition, or cannot be used.
std::vector<dev_t> partitionsLabelled(const KernelRoots &roots, const std::string &label);

}  // namespace volumecrypt::blockdev

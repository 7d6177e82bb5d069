// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a block device.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace volumecrypt::blockdev {

// Where the kernel's view is; tests put a tree of their own there.
struct KernelRoots {
    std::string sys = "/sys";
    std::string dev = "/dev";
};

struct BlockInfo {
    dev_t number = 0;
    std::string node;      // /dev/vda2
    std::string diskNode;  // of the whole disk: /dev/vda; the same as `node` for a whole disk
    std::uint64_t size = 0;
    bool largeSectors = false;  // physical blocks of 4096 bytes or more, and aligned to them
    bool removable = false;
};

// NotFound when the kernel has no such device (any more); Io.
base::Result<BlockInfo> readBlockInfo(const KernelRoots &roots, dev_t number);

// Kernel names of the devices on top: dm-0.
std::vector<std::string> holdersOf(const KernelRoots &roots, dev_t number);

// For readers of single attributes; `directory` is the device's own below /sys.
std::optional<std::string> readAttribute(const std::string &directory, const std::string &name);
std::map<std::string, std::string> readUevent(const std::string &directory);
std::vector<std::string> namesIn(const std::string &directory);
bool exists(const std::string &path);
std::optional<dev_t> parseDeviceNumber(const std::string &text);  // "259:3"

// Partitions by their GPT label. udev's /dev/disk/by-partlabel link names only one of several.

// The label that a path below /dev/disk/by-partlabel/ stands for, udev's \xHH undone; empty for any
// other path.
std::optional<std::string> labelOfLink(const std::string &path);

// Every partition with that label, by device number. Partitions of a disk that is in use as a
// whole (a path of a multipath device, a member of an array) and those seen once more through a
// loop device over the disk are left out: they are the same partition, or cannot be used.
std::vector<dev_t> partitionsLabelled(const KernelRoots &roots, const std::string &label);

}  // namespace volumecrypt::blockdev

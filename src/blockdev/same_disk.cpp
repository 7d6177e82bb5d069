// SPDX-License-Identifier: Apache-2.0
// Partitions of one disk, by GPT label.

#include <algorithm>

#include "blockdev/device.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {

base::Result<Device> findOnSameDiskIn(const KernelRoots &roots, const std::string &path,
                                      const Device &other) {
    const auto label = labelOfLink(path);
    if (!label) return findDeviceIn(roots, {path, false});
    const auto notThere = [&] {
        return base::fail(base::ErrorCode::NotFound, "no partition with the GPT label \"" + *label +
                                                         "\" is on the disk that holds " +
                                                         other.path);
    };
    if (other.isFile) return notThere();
    VC_ASSIGN(const BlockInfo disk, readBlockInfo(roots, other.number));
    std::vector<std::string> nodes;
    for (const dev_t number : partitionsLabelled(roots, *label)) {
        const auto info = readBlockInfo(roots, number);
        if (info && info->diskNode == disk.diskNode) nodes.push_back(info->node);
    }
    if (nodes.empty()) return notThere();
    if (nodes.size() > 1)
        return base::fail(base::ErrorCode::AmbiguousDevice,
                          std::to_string(nodes.size()) + " partitions of " + disk.diskNode +
                              " have the GPT label \"" + *label + "\"",
                          "Relabel all but one, or name the device by its path.");
    VC_ASSIGN(Device device, findDeviceIn(roots, {nodes.front(), true}));
    device.path = path;
    return device;
}

base::Result<Device> findOnSameDisk(const std::string &path, const Device &other) {
    return findOnSameDiskIn({}, path, other);
}

}  // namespace volumecrypt::blockdev

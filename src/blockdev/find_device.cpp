// SPDX-License-Identifier: Apache-2.0
// Selection of a device: by GPT label over all partitions, else by path.
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>

#include "blockdev/device.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;

base::Result<Device> blockDevice(const KernelRoots &roots, const std::string &path, bool byLabel,
                                 dev_t number) {
    VC_ASSIGN(const BlockInfo info, readBlockInfo(roots, number));
    Device device;
    device.path = path;
    device.node = info.node;
    device.number = number;
    device.size = info.size;
    device.sectorSize = info.largeSectors ? 4096 : 512;
    device.removable = info.removable;
    device.byLabel = byLabel;
    return device;
}

Device plainFile(const std::string &path, std::string node, const struct stat &info) {
    Device device;
    device.path = path;
    device.node = std::move(node);
    device.isFile = true;
    device.number = info.st_dev;
    device.inode = info.st_ino;
    device.size = static_cast<std::uint64_t>(info.st_size);
    device.sectorSize = device.size % 4096 == 0 ? 4096 : 512;
    return device;
}

base::Error notFound(const std::string &path, const std::optional<std::string> &label) {
    if (label)
        return {ErrorCode::NotFound, "no partition has the GPT label \"" + *label + "\"",
                "Create or label the partition, or name the device in volume.device."};
    return {ErrorCode::NotFound, path + " does not exist",
            "Connect the disk, or correct volume.device."};
}

base::Result<Device> deviceAtPath(const KernelRoots &roots, const std::string &path,
                                  const std::optional<std::string> &label) {
    struct stat info {};
    std::error_code code;
    if (::stat(path.c_str(), &info) < 0) code = {errno, std::generic_category()};
    if (!code && S_ISBLK(info.st_mode))
        return blockDevice(roots, path, label.has_value(), info.st_rdev);
    const std::string real = code ? "" : std::filesystem::canonical(path, code).string();
    if (code.value() == ENOENT || code.value() == ENOTDIR) return base::fail(notFound(path, label));
    if (code) return base::fail(base::errnoError("look up " + path, code.value()));
    if (S_ISREG(info.st_mode)) return plainFile(path, real, info);
    return base::fail(ErrorCode::Unsupported, path + " is neither a block device nor a plain file",
                      "Correct volume.device.");
}

base::Error ambiguous(const KernelRoots &roots, const std::string &label,
                      const std::vector<dev_t> &numbers) {
    std::string nodes;
    for (const dev_t number : numbers) {
        const auto info = readBlockInfo(roots, number);
        if (!info) continue;
        nodes += (nodes.empty() ? "" : ", ") + info->node;
    }
    return {ErrorCode::AmbiguousDevice,
            std::to_string(numbers.size()) + " partitions have the GPT label \"" + label +
                "\": " + nodes,
            "None of them was touched. Disconnect or relabel all but one, or name the device "
            "in volume.device by /dev/disk/by-partuuid/ or by-id/."};
}

}  // namespace

base::Result<Device> findDeviceIn(const KernelRoots &roots, const model::DeviceSpec &spec) {
    const auto label = labelOfLink(spec.path);
    if (!label) return deviceAtPath(roots, spec.path, std::nullopt);
    const auto numbers = partitionsLabelled(roots, *label);
    if (numbers.size() > 1) return base::fail(ambiguous(roots, *label, numbers));
    if (numbers.size() == 1) return blockDevice(roots, spec.path, true, numbers.front());
    // Partitions that the kernel does not know as such, like those of multipath devices.
    return deviceAtPath(roots, spec.path, label);
}

base::Result<Device> findDevice(const model::DeviceSpec &spec) {
    return findDeviceIn({}, spec);
}

}  // namespace volumecrypt::blockdev

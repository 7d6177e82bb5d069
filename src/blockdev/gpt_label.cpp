// SPDX-License-Identifier: Apache-2.0
// GPT labels. The kernel tells most; those it does not know or cannot spell are read from the disk.
#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>

#include <sys/stat.h>

#include <fcntl.h>

#include "base/text.h"
#include "base/unique_fd.h"
#include "blockdev/probe_handle.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLinks = "/dev/disk/by-partlabel/";

// The kernel keeps the low byte of each UTF-16 unit and writes "!" for what cannot be printed.
bool kernelSpells(const std::string &label) {
    return std::all_of(label.begin(), label.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

using NamesByNumber = std::map<int, std::string>;

// Partition labels of a whole disk, from its own table. Empty where it cannot be read: a sandboxed
// engine may open only its own device, and an empty drive has no table.
NamesByNumber labelsOnDisk(const std::string &node) {
    NamesByNumber names;
    const auto fd = base::openFile(node, O_RDONLY | O_NONBLOCK);
    if (!fd) return names;
    auto probe = newProbe(fd->get(), 0);
    if (!probe) return names;
    blkid_probe_enable_partitions(probe->get(), 1);
    blkid_probe_set_partitions_flags(probe->get(), BLKID_PARTS_ENTRY_DETAILS);
    blkid_partlist list = blkid_probe_get_partitions(probe->get());
    if (list == nullptr) return names;
    for (int i = 0; i < blkid_partlist_numof_partitions(list); ++i) {
        blkid_partition partition = blkid_partlist_get_partition(list, i);
        const char *name = blkid_partition_get_name(partition);
        if (name != nullptr) names[blkid_partition_get_partno(partition)] = name;
    }
    return names;
}

class LabelReader {
  public:
    LabelReader(const KernelRoots &roots, bool kernelIsExact)
        : roots_(roots), kernelIsExact_(kernelIsExact) {}

    std::string labelOf(const std::string &partition, const std::string &disk) {
        if (kernelIsExact_) {
            const auto uevent = readUevent(partition);
            if (const auto name = uevent.find("PARTNAME"); name != uevent.end())
                return name->second;
        }
        // Absent for partitions that a program told the kernel about (BLKPG), until the next boot.
        auto known = disks_.find(disk);
        if (known == disks_.end()) {
            const auto uevent = readUevent(disk);
            const auto device = uevent.find("DEVNAME");
            known = disks_
                        .emplace(disk, device == uevent.end()
                                           ? NamesByNumber()
                                           : labelsOnDisk(roots_.dev + "/" + device->second))
                        .first;
        }
        const auto number = readAttribute(partition, "partition").value_or("0");
        for (const auto &[partitionNumber, name] : known->second)
            if (std::to_string(partitionNumber) == number) return name;
        return {};
    }

  private:
    const KernelRoots &roots_;
    bool kernelIsExact_;
    std::map<std::string, NamesByNumber> disks_;
};

// A loop device over another block device shows that device's partitions again.
bool isLoopOverDevice(const KernelRoots &roots, const std::string &disk) {
    constexpr std::string_view prefix = "/dev/";
    std::string backing = readAttribute(disk, "loop/backing_file").value_or("");
    if (!backing.starts_with(prefix)) return false;
    backing.erase(0, prefix.size());
    std::replace(backing.begin(), backing.end(), '/', '!');
    return !backing.empty() && exists(roots.sys + "/class/block/" + backing);
}

}  // namespace

std::optional<std::string> labelOfLink(const std::string &path) {
    if (!path.starts_with(kLinks)) return std::nullopt;
    const std::string_view name = std::string_view(path).substr(kLinks.size());
    if (name.empty() || name.find('/') != std::string_view::npos) return std::nullopt;
    std::string label;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name.substr(i, 2) == "\\x" && i + 3 < name.size()) {
            if (const auto byte = base::fromHex(name.substr(i + 2, 2))) {
                label += *byte;
                i += 3;
                continue;
            }
        }
        label += name[i];
    }
    return label;
}

std::vector<dev_t> partitionsLabelled(const KernelRoots &roots, const std::string &label) {
    std::vector<dev_t> found;
    LabelReader reader(roots, kernelSpells(label));
    const std::string classDirectory = roots.sys + "/class/block/";
    for (const auto &name : namesIn(classDirectory)) {
        std::error_code code;
        const std::string partition = fs::canonical(classDirectory + name, code).string();
        if (code || !exists(partition + "/partition")) continue;
        const std::string disk = fs::path(partition).parent_path().string();
        if (!namesIn(disk + "/holders").empty() || isLoopOverDevice(roots, disk)) continue;
        if (reader.labelOf(partition, disk) != label) continue;
        const auto number = parseDeviceNumber(readAttribute(partition, "dev").value_or(""));
        if (number) found.push_back(*number);
    }
    return found;
}

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// A tree of block devices shaped like /sys, in a directory of the test's own.
#pragma once

#include <filesystem>
#include <string>

#include "support/temp_dir.h"

namespace volumecrypt::test {

class FakeSysfs {
  public:
    FakeSysfs() {
        std::filesystem::create_directories(root() + "/class/block");
        std::filesystem::create_directories(root() + "/dev/block");
        std::filesystem::create_directories(dev());
    }

    [[nodiscard]] std::string root() const { return directory_.file("sys"); }
    [[nodiscard]] std::string dev() const { return directory_.file("dev"); }
    [[nodiscard]] const TempDir &directory() const { return directory_; }

    // `at`: the parent's path below /sys/devices; `number`: "8:0"; `sectors` of 512 bytes. Returns
    // the disk's path for addPartition and set.
    std::string addDisk(const std::string &at, const std::string &name, const std::string &number,
                        std::uint64_t sectors = 2048) const {
        std::string path = "devices/" + at + "/block/" + name;
        addDevice(path, name, number, sectors, "disk", "");
        set(path, "removable", "0");
        set(path, "queue/physical_block_size", "512");
        return path;
    }

    // Without `label` the kernel does not tell it, as for partitions added by BLKPG.
    std::string addPartition(const std::string &disk, const std::string &name,
                             const std::string &number, unsigned index, const std::string &label,
                             std::uint64_t sectors = 1024) const {
        std::string path = disk + "/" + name;
        addDevice(path, name, number, sectors, "partition",
                  "PARTN=" + std::to_string(index) + "\n" +
                      (label.empty() ? "" : "PARTNAME=" + label + "\n"));
        set(path, "partition", std::to_string(index));
        return path;
    }

    void set(const std::string &path, const std::string &attribute,
             const std::string &value) const {
        directory_.write("sys/" + path + "/" + attribute, value + "\n");
    }

    void addHolder(const std::string &path, const std::string &holder) const {
        std::filesystem::create_directories(root() + "/" + path + "/holders/" + holder);
    }

  private:
    void addDevice(const std::string &path, const std::string &name, const std::string &number,
                   std::uint64_t sectors, const std::string &type, const std::string &more) const {
        std::filesystem::create_directories(root() + "/" + path + "/holders");
        set(path, "dev", number);
        set(path, "size", std::to_string(sectors));
        set(path, "alignment_offset", "0");
        const auto colon = number.find(':');
        set(path, "uevent",
            "MAJOR=" + number.substr(0, colon) + "\nMINOR=" + number.substr(colon + 1) +
                "\nDEVNAME=" + name + "\nDEVTYPE=" + type + "\n" + more);
        std::filesystem::create_symlink("../../" + path, root() + "/class/block/" + name);
        std::filesystem::create_symlink("../../" + path, root() + "/dev/block/" + number);
    }

    TempDir directory_;
};

}  // namespace volumecrypt::test

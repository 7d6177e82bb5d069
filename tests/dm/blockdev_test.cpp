// SPDX-License-Identifier: Apache-2.0
// src/blockdev on block devices. Runs as root in the guest only: it makes loop devices, mappings
// and mounts.
#include <algorithm>
#include <stdexcept>

#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/child_process.h"
#include "blockdev/content.h"
#include "blockdev/device.h"
#include "blockdev/filesystem.h"
#include "support/loop_device.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;
using model::FilesystemType;
using std::chrono::milliseconds;
using test::Loop;
using test::shell;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

base::Result<Device> find(const std::string &path) {
    return findDevice({.path = path});
}

base::Result<Device> labelled(const std::string &label) {
    return findDevice({.path = "/dev/disk/by-partlabel/" + label, .byLabel = true});
}

dev_t numberOf(const std::string &node) {
    struct stat info {};
    EXPECT_EQ(::stat(node.c_str(), &info), 0) << node;
    return info.st_rdev;
}

constexpr const char *kTable = "label: gpt\\nsize=4M,name=META\\nsize=16M,name=STATE\\n";

// The kernel reads the table when the loop device is set up: it knows the labels.
void partition(const std::string &file) {
    shell(std::string("printf '") + kTable + "' | sfdisk -q " + file);
}

// ------------------------------------------------------------------------------------- finding

TEST(BlockDevice, IsFoundByPathAndByLink) {
    const Loop loop(8);
    const test::TempDir directory;
    ASSERT_EQ(::symlink(loop.node().c_str(), directory.file("link").c_str()), 0);
    for (const std::string &path : {loop.node(), directory.file("link")}) {
        const auto device = find(path);
        ASSERT_THAT(device, test::IsOk());
        EXPECT_EQ(device->path, path);
        EXPECT_EQ(device->node, loop.node());
        EXPECT_EQ(device->number, numberOf(loop.node()));
        EXPECT_EQ(device->size, 8 * kMiB);
        EXPECT_FALSE(device->isFile);
        EXPECT_FALSE(device->removable);
        EXPECT_FALSE(device->byLabel);
    }
}

TEST(BlockDevice, HasTheSectorSizeOfItsDisk) {
    const Loop small(8);
    const Loop large(8, "--sector-size 4096");
    EXPECT_EQ(find(small.node())->sectorSize, 512U);
    EXPECT_EQ(find(large.node())->sectorSize, 4096U);
}

TEST(BlockDevice, IsFoundByItsGptLabelWithoutUdev) {
    const Loop raw(32);
    partition(raw.file());
    const Loop disk(raw.file(), "--partscan");
    const auto device = labelled("STATE");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->node, disk.node() + "p2");
    EXPECT_EQ(device->number, numberOf(disk.node() + "p2"));
    EXPECT_EQ(device->size, 16 * kMiB);
    EXPECT_TRUE(device->byLabel);
    EXPECT_THAT(labelled("EPHEMERAL"), test::FailsWith(ErrorCode::NotFound));
}

TEST(BlockDevice, IsAmbiguousWhileTwoHaveItsLabel) {
    const Loop raw(32);
    const Loop otherRaw(32);
    partition(raw.file());
    partition(otherRaw.file());
    const Loop disk(raw.file(), "--partscan");
    {
        const Loop other(otherRaw.file(), "--partscan");
        EXPECT_THAT(labelled("STATE"), test::FailsWith(ErrorCode::AmbiguousDevice,
                                                       AllOf(HasSubstr(disk.node() + "p2"),
                                                             HasSubstr(other.node() + "p2"))));
    }
    EXPECT_THAT(labelled("STATE"), test::IsOk());
}

TEST(BlockDevice, IsNotAmbiguousForALoopOverItsDiskOrAMappingOnIt) {
    const Loop raw(32);
    partition(raw.file());
    const Loop disk(raw.file(), "--partscan");
    const Loop again(disk.node(), "--partscan");
    ASSERT_EQ(::access((again.node() + "p2").c_str(), F_OK), 0);
    shell("echo 0 16 linear " + disk.node() + "p2 0 | dmsetup create luks2-STATE");
    const auto device = labelled("STATE");
    shell("dmsetup remove luks2-STATE");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->node, disk.node() + "p2");
}

// As parted and systemd-repart do it: the kernel learns where the partition is, not its label.
TEST(BlockDevice, IsFoundByALabelThatTheKernelWasNotTold) {
    const Loop disk(32);
    partition(disk.file());
    shell("addpart " + disk.node() + " 2 10240 32768");
    const std::string uevent = "/sys/class/block/" + disk.node().substr(5) + "p2/uevent";
    EXPECT_THAT(shell("cat " + uevent), ::testing::Not(HasSubstr("PARTNAME")));
    const auto device = labelled("STATE");
    shell("delpart " + disk.node() + " 2");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->node, disk.node() + "p2");
}

// ------------------------------------------------------------------------------------- opening

TEST(BlockDevice, IsOpenedExclusivelyOnce) {
    const Loop loop(8);
    const auto device = find(loop.node());
    auto first = openExclusively(*device);
    ASSERT_THAT(first, test::IsOk());
    EXPECT_TRUE(first->disk.valid());
    // The lock is what udev and its likes respect; O_EXCL is what the kernel does.
    const auto disk = base::openFile(loop.node(), O_RDONLY);
    EXPECT_EQ(::flock(disk->get(), LOCK_SH | LOCK_NB), -1);
    EXPECT_THAT(base::openFile(loop.node(), O_RDONLY | O_EXCL), test::FailsWith(ErrorCode::Busy));
    const auto second = openExclusivelyWithin({}, *device, milliseconds(30));
    EXPECT_THAT(second, test::FailsWith(ErrorCode::Busy, HasSubstr("locked")));
    EXPECT_TRUE(second.error().retry);
    first->device.reset();
    first->disk.reset();
    EXPECT_THAT(openExclusively(*device), test::IsOk());
}

TEST(BlockDevice, LocksTheDiskOfAPartition) {
    const Loop raw(32);
    partition(raw.file());
    const Loop disk(raw.file(), "--partscan");
    const auto exclusive = openExclusively(*labelled("STATE"));
    ASSERT_THAT(exclusive, test::IsOk());
    const auto whole = base::openFile(disk.node(), O_RDONLY);
    EXPECT_EQ(::flock(whole->get(), LOCK_SH | LOCK_NB), -1);
}

TEST(BlockDevice, IsBusyWhileMappedAndSaysByWhat) {
    const Loop loop(8);
    shell("echo 0 16 linear " + loop.node() + " 0 | dmsetup create holder");
    const std::string holder = shell("dmsetup info -c --noheadings -o blkdevname holder");
    ASSERT_THAT(holder, HasSubstr("dm-"));
    const auto exclusive = openExclusively(*find(loop.node()));
    shell("dmsetup remove holder");
    EXPECT_THAT(exclusive, test::FailsWith(ErrorCode::Busy, HasSubstr("in use by " + holder)));
    EXPECT_THAT(openExclusively(*find(loop.node())), test::IsOk());
}

TEST(BlockDevice, IsBusyWhileMounted) {
    const Loop loop(16);
    const test::TempDir directory;
    shell("mkfs.ext4 -q " + loop.node() + " && mount " + loop.node() + " " + directory.path());
    const auto exclusive = openExclusively(*find(loop.node()));
    shell("umount " + directory.path());
    EXPECT_THAT(exclusive, test::FailsWith(ErrorCode::Busy, HasSubstr(loop.node())));
}

TEST(BlockDevice, IsNotFoundAfterItsNameWentToAnother) {
    const Loop loop(8);
    auto device = find(loop.node());
    ASSERT_THAT(device, test::IsOk());
    device->number += 1;
    EXPECT_THAT(openDevice(*device, false), test::FailsWith(ErrorCode::NotFound));
}

// ------------------------------------------------------------------------------------- content

TEST(BlockDevice, IsBlankWhenNew) {
    const Loop loop(64);
    const auto device = find(loop.node());
    const auto fd = openDevice(*device, false);
    ASSERT_THAT(fd, test::IsOk());
    const auto content = probeContent(fd->get(), device->size);
    ASSERT_THAT(content, test::IsOk());
    EXPECT_EQ(content->kind, ContentKind::Blank);
}

TEST(BlockDevice, SaysIoWhenItCannotBeRead) {
    shell("echo 0 131072 error | dmsetup create broken");
    {
        const auto device = find("/dev/mapper/broken");
        ASSERT_THAT(device, test::IsOk());
        const auto fd = openDevice(*device, false);
        ASSERT_THAT(fd, test::IsOk());
        EXPECT_THAT(probeContent(fd->get(), device->size), test::FailsWith(ErrorCode::Io));
    }
    shell("dmsetup remove broken");
}

class MadeOnADevice : public ::testing::TestWithParam<FilesystemType> {};

TEST_P(MadeOnADevice, IsFoundAndCanBeMounted) {
    const Loop loop(128);
    model::FilesystemSpec spec;
    spec.type = GetParam();
    spec.label = "DATA";
    ASSERT_THAT(makeFilesystem(spec, loop.node()), test::IsOk());
    const auto device = find(loop.node());
    const auto fd = openDevice(*device, false);
    const auto content = probeContent(fd->get(), device->size);
    ASSERT_THAT(content, test::IsOk());
    EXPECT_EQ(content->type, model::filesystemName(GetParam()));
    EXPECT_EQ(content->label, "DATA");
    if (GetParam() == FilesystemType::Swap) return;
    const test::TempDir directory;
    shell("mount " + loop.node() + " " + directory.path() + " && echo x > " +
          directory.file("file") + " && umount " + directory.path());
}

INSTANTIATE_TEST_SUITE_P(Types, MadeOnADevice,
                         ::testing::Values(FilesystemType::Xfs, FilesystemType::Ext4,
                                           FilesystemType::Btrfs, FilesystemType::Vfat,
                                           FilesystemType::Swap),
                         [](const auto &each) {
                             return std::string(model::filesystemName(each.param));
                         });

}  // namespace
}  // namespace volumecrypt::blockdev

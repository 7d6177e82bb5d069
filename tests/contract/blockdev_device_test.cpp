// SPDX-License-Identifier: Apache-2.0
// findDevice on trees shaped like sysfs, and on plain files.
#include <chrono>
#include <filesystem>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/child_process.h"
#include "blockdev/device.h"
#include "blockdev/sysfs.h"
#include "support/fake_sysfs.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char *kSata = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0";
constexpr const char *kUsb = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0";
constexpr const char *kVirtual = "virtual";

class FindDevice : public ::testing::Test {
  protected:
    [[nodiscard]] KernelRoots roots() const { return {.sys = sysfs_.root(), .dev = sysfs_.dev()}; }
    [[nodiscard]] base::Result<Device> byLabel(const std::string &label) const {
        return findDeviceIn(roots(), {.path = "/dev/disk/by-partlabel/" + label, .byLabel = true});
    }
    test::FakeSysfs sysfs_;
};

TEST_F(FindDevice, ByLabelTellsEverything) {
    const auto disk = sysfs_.addDisk(kSata, "sda", "8:0");
    sysfs_.addPartition(disk, "sda1", "8:1", 1, "META");
    sysfs_.addPartition(disk, "sda2", "8:2", 2, "STATE", 204800);
    const auto device = byLabel("STATE");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->path, "/dev/disk/by-partlabel/STATE");
    EXPECT_EQ(device->node, sysfs_.dev() + "/sda2");
    EXPECT_EQ(device->number, makedev(8, 2));
    EXPECT_EQ(device->size, 204800U * 512);
    EXPECT_EQ(device->sectorSize, 512U);
    EXPECT_FALSE(device->isFile);
    EXPECT_FALSE(device->removable);
    EXPECT_TRUE(device->byLabel);
}

// udev's link names one of the two, without a word.
TEST_F(FindDevice, TwoPartitionsWithOneLabelAreAmbiguous) {
    sysfs_.addPartition(sysfs_.addDisk(kSata, "sda", "8:0"), "sda2", "8:2", 2, "STATE");
    sysfs_.addPartition(sysfs_.addDisk(kUsb, "sdb", "8:16"), "sdb1", "8:17", 1, "STATE");
    const auto device = byLabel("STATE");
    EXPECT_THAT(device, test::FailsWith(ErrorCode::AmbiguousDevice,
                                        AllOf(HasSubstr("2 partitions"), HasSubstr("\"STATE\""),
                                              HasSubstr("/sda2"), HasSubstr("/sdb1"))));
    EXPECT_THAT(device.error().hint, HasSubstr("volume.device"));
}

TEST_F(FindDevice, TwoPartitionsOfOneDiskAreAmbiguousToo) {
    const auto disk = sysfs_.addDisk(kSata, "nvme0n1", "259:0");
    sysfs_.addPartition(disk, "nvme0n1p1", "259:1", 1, "u-data");
    sysfs_.addPartition(disk, "nvme0n1p2", "259:2", 2, "u-data");
    EXPECT_THAT(byLabel("u-data"), test::FailsWith(ErrorCode::AmbiguousDevice));
}

TEST_F(FindDevice, LabelsAreComparedInFull) {
    const auto disk = sysfs_.addDisk(kSata, "sda", "8:0");
    sysfs_.addPartition(disk, "sda1", "8:1", 1, "u-data");
    sysfs_.addPartition(disk, "sda2", "8:2", 2, "u-data2");
    sysfs_.addPartition(disk, "sda3", "8:3", 3, "U-DATA");
    const auto device = byLabel("u-data");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->number, makedev(8, 1));
}

TEST_F(FindDevice, WithoutThePartitionSaysSo) {
    sysfs_.addPartition(sysfs_.addDisk(kSata, "sda", "8:0"), "sda1", "8:1", 1, "META");
    EXPECT_THAT(byLabel("no-such-label-anywhere"),
                test::FailsWith(ErrorCode::NotFound, HasSubstr("\"no-such-label-anywhere\"")));
}

// The mapping on top of a partition is a disk to the kernel: no partition number, no label.
TEST_F(FindDevice, AMappingIsNotCounted) {
    const auto partition =
        sysfs_.addPartition(sysfs_.addDisk(kSata, "sda", "8:0"), "sda2", "8:2", 2, "STATE");
    sysfs_.addHolder(partition, "dm-0");
    sysfs_.set(sysfs_.addDisk(kVirtual, "dm-0", "253:0"), "dm/name", "luks2-STATE");
    const auto device = byLabel("STATE");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->number, makedev(8, 2));
}

TEST_F(FindDevice, ALoopOverTheDiskIsNotCounted) {
    sysfs_.addPartition(sysfs_.addDisk(kSata, "sda", "8:0"), "sda2", "8:2", 2, "STATE");
    const auto loop = sysfs_.addDisk(kVirtual, "loop0", "7:0");
    sysfs_.set(loop, "loop/backing_file", "/dev/sda");
    sysfs_.addPartition(loop, "loop0p2", "259:0", 2, "STATE");
    const auto device = byLabel("STATE");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->number, makedev(8, 2));
}

TEST_F(FindDevice, ALoopOverAFileIsCounted) {
    sysfs_.addPartition(sysfs_.addDisk(kSata, "sda", "8:0"), "sda2", "8:2", 2, "STATE");
    const auto loop = sysfs_.addDisk(kVirtual, "loop0", "7:0");
    sysfs_.set(loop, "loop/backing_file", "/dev/shm/disk.img");
    sysfs_.addPartition(loop, "loop0p2", "259:0", 2, "STATE");
    EXPECT_THAT(byLabel("STATE"), test::FailsWith(ErrorCode::AmbiguousDevice));
}

// Both paths of a multipath device and both halves of a mirror show the one table.
TEST_F(FindDevice, PartitionsOfADiskInUseAsAWholeAreNotCounted) {
    for (const auto &[name, number] : {std::pair("sda", 8), std::pair("sdb", 65)}) {
        const auto disk = sysfs_.addDisk(kSata, name, std::to_string(number) + ":0");
        sysfs_.addPartition(disk, std::string(name) + "1", std::to_string(number) + ":1", 1,
                            "STATE");
        sysfs_.addHolder(disk, "md127");
    }
    sysfs_.addPartition(sysfs_.addDisk(kVirtual, "md127", "9:127"), "md127p1", "259:7", 1, "STATE");
    const auto device = byLabel("STATE");
    ASSERT_THAT(device, test::IsOk());
    EXPECT_EQ(device->node, sysfs_.dev() + "/md127p1");
}

TEST_F(FindDevice, AnExplicitLinkByLabelIsSelectionByLabel) {
    sysfs_.addPartition(sysfs_.addDisk(kUsb, "sdb", "8:16"), "sdb1", "8:17", 1, "u-stick");
    const auto device =
        findDeviceIn(roots(), {.path = "/dev/disk/by-partlabel/u-stick", .byLabel = false});
    ASSERT_THAT(device, test::IsOk());
    EXPECT_TRUE(device->byLabel);
    EXPECT_TRUE(device->removable);
}

// A partition made by parted or systemd-repart in the running system: the kernel was told where it
// is, not what it is called.
TEST_F(FindDevice, LabelsThatTheKernelWasNotToldAreReadFromTheDisk) {
    const std::string image = sysfs_.directory().write("dev/sda", std::string(16 << 20U, '\0'));
    const std::string table = sysfs_.directory().write(
        "table",
        "label: gpt\nsize=1M,name=META\nsize=4M,name=STATE\nsize=4M,name=\"na\xc3\xafve x\"\n");
    const auto made =
        base::runProgram({"sh", "-euc", "sfdisk -q \"$1\" < \"$2\"", "sh", image, table});
    ASSERT_THAT(made, test::IsOk());
    ASSERT_EQ(made->exitCode, 0) << made->output;
    const auto disk = sysfs_.addDisk(kSata, "sda", "8:0", 32768);
    for (const unsigned index : {1U, 2U, 3U})
        sysfs_.addPartition(disk, "sda" + std::to_string(index), "8:" + std::to_string(index),
                            index, index == 3 ? "na!ve x" : "");
    EXPECT_THAT(partitionsLabelled(roots(), "STATE"), ElementsAre(makedev(8, 2)));
    EXPECT_THAT(partitionsLabelled(roots(), "META"), ElementsAre(makedev(8, 1)));
    // What the kernel cannot spell is looked up on the disk, too.
    EXPECT_THAT(partitionsLabelled(roots(), "na\xc3\xafve x"), ElementsAre(makedev(8, 3)));
    EXPECT_THAT(partitionsLabelled(roots(), "absent"), IsEmpty());
}

TEST_F(FindDevice, ADiskThatCannotBeReadHasNoLabels) {
    sysfs_.addPartition(sysfs_.addDisk(kSata, "sda", "8:0"), "sda1", "8:1", 1, "");
    EXPECT_THAT(partitionsLabelled(roots(), "STATE"), IsEmpty());
}

TEST_F(FindDevice, RemovableByTheDisksOwnWord) {
    const auto disk = sysfs_.addDisk(kSata, "sda", "8:0");
    sysfs_.set(disk, "removable", "1");
    sysfs_.addPartition(disk, "sda1", "8:1", 1, "STATE");
    EXPECT_TRUE(byLabel("STATE")->removable);
}

TEST_F(FindDevice, RemovableByItsBus) {
    sysfs_.addPartition(sysfs_.addDisk(kUsb, "sda", "8:0"), "sda1", "8:1", 1, "STATE");
    EXPECT_TRUE(byLabel("STATE")->removable);
}

TEST_F(FindDevice, RemovableByAnAncestor) {
    const auto disk = sysfs_.addDisk("pci0000:00/0000:05:00.0/nvme/nvme1", "nvme1n1", "259:4");
    sysfs_.set("devices/pci0000:00/0000:05:00.0", "removable", "removable");
    sysfs_.addPartition(disk, "nvme1n1p1", "259:5", 1, "STATE");
    EXPECT_TRUE(byLabel("STATE")->removable);
}

TEST_F(FindDevice, FixedAncestorsAreNotRemovable) {
    const auto disk = sysfs_.addDisk("pci0000:00/0000:05:00.0/nvme/nvme1", "nvme1n1", "259:4");
    sysfs_.set("devices/pci0000:00/0000:05:00.0", "removable", "fixed");
    sysfs_.addPartition(disk, "nvme1n1p1", "259:5", 1, "STATE");
    EXPECT_FALSE(byLabel("STATE")->removable);
}

struct Sectors {
    const char *physical;
    const char *alignment;
    std::uint64_t sectors;
    unsigned expected;
};

class SectorSize : public FindDevice, public ::testing::WithParamInterface<Sectors> {};

TEST_P(SectorSize, FollowsTheDiskAndTheSize) {
    const auto disk = sysfs_.addDisk(kSata, "sda", "8:0");
    sysfs_.set(disk, "queue/physical_block_size", GetParam().physical);
    const auto partition = sysfs_.addPartition(disk, "sda1", "8:1", 1, "STATE", GetParam().sectors);
    sysfs_.set(partition, "alignment_offset", GetParam().alignment);
    EXPECT_EQ(byLabel("STATE")->sectorSize, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(All, SectorSize,
                         ::testing::Values(Sectors{"512", "0", 8000, 512},
                                           Sectors{"4096", "0", 8000, 4096},
                                           Sectors{"16384", "0", 8000, 4096},
                                           Sectors{"4096", "0", 8001, 512},
                                           Sectors{"4096", "3584", 8000, 512}));

TEST_F(FindDevice, NodesInFoldersKeepTheirPath) {
    const auto disk = sysfs_.addDisk("pci0000:00/cciss0", "cciss!c0d0", "104:0");
    const auto partition = sysfs_.addPartition(disk, "cciss!c0d0p1", "104:1", 1, "STATE");
    sysfs_.set(partition, "uevent", "DEVNAME=cciss/c0d0p1\nDEVTYPE=partition\nPARTNAME=STATE");
    EXPECT_EQ(byLabel("STATE")->node, sysfs_.dev() + "/cciss/c0d0p1");
}

// ---------------------------------------------------------------------------------------- paths

TEST_F(FindDevice, APlainFileIsADevice) {
    const std::string path = sysfs_.directory().write("image", std::string(8192, '\0'));
    ASSERT_EQ(::symlink(path.c_str(), sysfs_.directory().file("link").c_str()), 0);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    const auto device = findDevice({.path = sysfs_.directory().file("link")});
    ASSERT_THAT(device, test::IsOk());
    EXPECT_TRUE(device->isFile);
    EXPECT_EQ(device->path, sysfs_.directory().file("link"));
    EXPECT_EQ(device->node, path);
    EXPECT_EQ(device->number, info.st_dev);
    EXPECT_EQ(device->inode, info.st_ino);
    EXPECT_EQ(device->size, 8192U);
    EXPECT_EQ(device->sectorSize, 4096U);
    EXPECT_FALSE(device->removable);
    EXPECT_FALSE(device->byLabel);
}

TEST_F(FindDevice, AFileOfOddSizeHasSmallSectors) {
    const std::string path = sysfs_.directory().write("image", std::string(8192 + 512, '\0'));
    EXPECT_EQ(findDevice({.path = path})->sectorSize, 512U);
}

TEST_F(FindDevice, OtherThingsAreUnsupported) {
    for (const std::string &path : {sysfs_.directory().path(), std::string("/dev/null")})
        EXPECT_THAT(findDevice({.path = path}),
                    test::FailsWith(ErrorCode::Unsupported, HasSubstr(path)));
}

TEST_F(FindDevice, MissingPathsAreNotFound) {
    ASSERT_EQ(::symlink("nowhere", sysfs_.directory().file("dangling").c_str()), 0);
    for (const std::string name : {"missing", "missing/below", "dangling"}) {
        const std::string path = sysfs_.directory().file(name);
        EXPECT_THAT(findDevice({.path = path}),
                    test::FailsWith(ErrorCode::NotFound, HasSubstr(path)));
    }
}

// ---------------------------------------------------------------------------------------- links

TEST(LabelOfLink, UndoesUdevsEscapes) {
    const std::string links = "/dev/disk/by-partlabel/";
    EXPECT_EQ(labelOfLink(links + "STATE"), "STATE");
    EXPECT_EQ(labelOfLink(links + "my\\x20data\\x2f1"), "my data/1");
    EXPECT_EQ(labelOfLink(links + "a\\x5cx41"), "a\\x41");
    EXPECT_EQ(labelOfLink(links + "\\x2"), "\\x2");
    EXPECT_EQ(labelOfLink(links + "\\xzz"), "\\xzz");
    EXPECT_EQ(labelOfLink(links + "\\x4A"), "J");
}

TEST(LabelOfLink, IsOnlyForLinksByLabel) {
    for (const char *path : {"/dev/sda1", "/dev/disk/by-partuuid/STATE", "/dev/disk/by-partlabel/",
                             "/dev/disk/by-partlabel/a/b", "STATE", ""})
        EXPECT_EQ(labelOfLink(path), std::nullopt) << path;
}

TEST(Removal, IsNoticed) {
    Device device;
    device.number = makedev(4000, 4000);
    EXPECT_TRUE(awaitRemoval(device, std::chrono::milliseconds(0)));
    device.isFile = true;
    EXPECT_FALSE(awaitRemoval(device, std::chrono::milliseconds(0)));
}

TEST(Removal, OfADeviceThatStaysIsNotWaitedForLong) {
    const std::filesystem::directory_iterator any("/sys/dev/block");
    ASSERT_NE(any, std::filesystem::directory_iterator()) << "this machine has no block device";
    Device device;
    device.number = parseDeviceNumber(any->path().filename().string()).value();
    EXPECT_FALSE(awaitRemoval(device, std::chrono::milliseconds(60)));
}

}  // namespace
}  // namespace volumecrypt::blockdev

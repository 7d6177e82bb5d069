// SPDX-License-Identifier: Apache-2.0
// probeContent on plain files that real tools have written to.
#include <algorithm>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/files.h"
#include "base/unique_fd.h"
#include "blockdev/content.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::blockdev {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// A sparse file that plays the device.
class Image {
  public:
    explicit Image(std::uint64_t size) : size_(size) {
        auto opened = base::openFile(path(), O_RDWR | O_CREAT, 0600);
        if (!opened || ::ftruncate(opened->get(), static_cast<off_t>(size)) != 0)
            throw std::runtime_error("cannot make an image");
        fd_ = std::move(*opened);
    }

    [[nodiscard]] std::string path() const { return directory_.file("image"); }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] int fd() const { return fd_.get(); }

    void write(std::uint64_t offset, std::string_view bytes) const {
        ASSERT_THAT(base::writeExactly(fd(), std::as_bytes(std::span(bytes)), offset),
                    test::IsOk());
    }
    void writeNumber(std::uint64_t offset, std::uint64_t number, unsigned width) const {
        std::string bytes;
        for (unsigned i = 0; i < width; ++i, number >>= 8U)
            bytes += static_cast<char>(number & 0xffU);
        write(offset, bytes);
    }
    void fill(std::uint64_t offset, std::uint64_t length, char byte) const {
        const std::string bytes(length, byte);
        write(offset, bytes);
    }
    // Runs a program with the image's path as the last argument.
    void run(std::vector<std::string> argv) const {
        argv.push_back(path());
        const auto outcome = base::runProgram(argv);
        ASSERT_THAT(outcome, test::IsOk());
        ASSERT_EQ(outcome->exitCode, 0) << outcome->output;
    }
    [[nodiscard]] Content probe() const {
        auto content = probeContent(fd(), size_);
        EXPECT_THAT(content, test::IsOk());
        return content.value_or(Content{});
    }
    // Through a shell, for programs that read a passphrase or a script.
    void shell(const std::string &command) const {
        const auto outcome = base::runProgram({"sh", "-euc", command, "sh", path()});
        ASSERT_THAT(outcome, test::IsOk());
        ASSERT_EQ(outcome->exitCode, 0) << outcome->output;
    }

  private:
    test::TempDir directory_;
    std::uint64_t size_;
    base::UniqueFd fd_;
};

void formatLuks(const Image &image, const std::string &type) {
    image.shell("printf secret | cryptsetup luksFormat -q --type " + type +
                " --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - \"$1\"");
}

TEST(ProbeContent, FindsASparseFileBlank) {
    const Image image(64 * kMiB);
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Blank);
    EXPECT_EQ(content.type, "");
    EXPECT_EQ(content.describe(), "nothing");
}

TEST(ProbeContent, FindsWrittenZeroesBlank) {
    const Image image(2 * kMiB);
    image.fill(0, image.size(), '\0');
    EXPECT_EQ(image.probe().kind, ContentKind::Blank);
}

TEST(ProbeContent, RefusesAnEmptyFile) {
    const Image image(0);
    EXPECT_THAT(probeContent(image.fd(), 0), test::FailsWith(base::ErrorCode::Io));
}

TEST(ProbeContent, SaysIoWhenTheDeviceIsShorterThanClaimed) {
    const Image image(kMiB);
    EXPECT_THAT(probeContent(image.fd(), 64 * kMiB), test::FailsWith(base::ErrorCode::Io));
}

struct NonZeroByte {
    const char *name;
    std::uint64_t size;
    std::uint64_t offset;
};

class OneByte : public ::testing::TestWithParam<NonZeroByte> {};

TEST_P(OneByte, MakesItUnknown) {
    const Image image(GetParam().size);
    image.write(GetParam().offset, "\x01");
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Unknown);
    EXPECT_EQ(content.describe(), "data of unknown kind");
}

INSTANTIATE_TEST_SUITE_P(
    Where, OneByte,
    ::testing::Values(NonZeroByte{"first", 64 * kMiB, 0}, NonZeroByte{"second", 64 * kMiB, 1},
                      NonZeroByte{"lastOfHead", 64 * kMiB, 16 * kMiB - 1},
                      NonZeroByte{"firstOfTail", 64 * kMiB, 48 * kMiB},
                      NonZeroByte{"last", 64 * kMiB, 64 * kMiB - 1},
                      NonZeroByte{"lastOfOddSize", 64 * kMiB + 513, 64 * kMiB + 512},
                      NonZeroByte{"middleOfSmall", 33 * kMiB, 16 * kMiB + kMiB / 2},
                      NonZeroByte{"lastOfTiny", 4096 + 7, 4096 + 6}, NonZeroByte{"ofOne", 1, 0}),
    [](const auto &each) { return each.param.name; });

// Nothing at the ends, as after a wipe of a disk's start and end alone: chance finds it. That 256
// samples all miss a half that is full has the probability 2^-256.
TEST(ProbeContent, SamplesTheMiddle) {
    const Image image(40 * kMiB);
    for (std::uint64_t block = 0; block < 8 * kMiB / 4096; block += 2)
        image.fill(16 * kMiB + block * 4096, 4096, 'x');
    EXPECT_EQ(image.probe().kind, ContentKind::Unknown);
}

TEST(ProbeContent, TakesTheFormattingMarkerForUnknown) {
    const Image image(8 * kMiB);
    image.write(0, "VOLUMECRYPT-FORMATTING");
    EXPECT_EQ(image.probe().kind, ContentKind::Unknown);
}

TEST(ProbeContent, DoesNotWrite) {
    const Image image(32 * kMiB);
    formatLuks(image, "luks2");
    const auto before = base::readFile(image.path(), 64 * kMiB);
    (void)image.probe();
    EXPECT_EQ(*before, *base::readFile(image.path(), 64 * kMiB));
}

// ---------------------------------------------------------------------------------------- LUKS

TEST(ProbeContent, TellsLuks1) {
    const Image image(16 * kMiB);
    formatLuks(image, "luks1");
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Luks1);
    EXPECT_EQ(content.type, "crypto_LUKS");
    EXPECT_EQ(content.uuid.size(), 36U);
    EXPECT_EQ(content.describe(), "a LUKS1 volume");
}

TEST(ProbeContent, TellsLuks2) {
    const Image image(32 * kMiB);
    formatLuks(image, "luks2 --label VAULT");
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Luks2);
    EXPECT_EQ(content.type, "crypto_LUKS");
    EXPECT_EQ(content.label, "VAULT");
    EXPECT_EQ(content.uuid.size(), 36U);
    EXPECT_EQ(content.describe(), "a LUKS2 volume");
}

TEST(ProbeContent, TellsAHeaderOfAnUnknownVersionFromData) {
    const Image image(32 * kMiB);
    image.write(0, std::string("LUKS\xba\xbe\x00\x07", 8));
    EXPECT_EQ(image.probe().kind, ContentKind::Luks2);
}

class SecondaryHeader : public ::testing::TestWithParam<unsigned> {};

TEST_P(SecondaryHeader, IsEnoughForLuks2) {
    const Image image(32 * kMiB);
    formatLuks(image, "luks2 --luks2-metadata-size " + std::to_string(GetParam()) + "k");
    image.fill(0, 4096, '\0');
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Luks2);
    EXPECT_EQ(content.type, "crypto_LUKS");
}

INSTANTIATE_TEST_SUITE_P(EveryMetadataSize, SecondaryHeader,
                         ::testing::Values(16, 32, 64, 128, 256, 512, 1024, 2048, 4096));

// Repairing the header from the secondary one would destroy the file system.
TEST(ProbeContent, DoesNotTakeAFileSystemOverAnOldHeaderForLuks2) {
    const Image image(64 * kMiB);
    formatLuks(image, "luks2 --luks2-metadata-size 2048k");
    image.fill(0, kMiB, '\0');
    const Image other(64 * kMiB);
    other.run({"mkfs.ext4", "-q"});
    const auto head = base::readFile(other.path(), 80 * kMiB);
    image.write(0, std::string_view(*head).substr(0, 64 << 10U));
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Ambivalent);
    EXPECT_EQ(content.type, "crypto_LUKS, ext4");
}

// -------------------------------------------------------------------------------- file systems

struct Formatted {
    const char *type;
    std::vector<std::string> command;
    std::uint64_t mebibytes;
    const char *description;
};

class FileSystem : public ::testing::TestWithParam<Formatted> {};

TEST_P(FileSystem, IsNamedWithItsLabel) {
    const Image image(GetParam().mebibytes * kMiB);
    image.run(GetParam().command);
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Filesystem);
    EXPECT_EQ(content.type, GetParam().type);
    EXPECT_EQ(content.label, "DATA");
    EXPECT_FALSE(content.uuid.empty());
    EXPECT_EQ(content.describe(), GetParam().description);
}

INSTANTIATE_TEST_SUITE_P(
    Made, FileSystem,
    ::testing::Values(
        Formatted{"ext4",
                  {"mkfs.ext4", "-q", "-L", "DATA"},
                  16,
                  R"(an ext4 file system labelled "DATA")"},
        Formatted{
            "ext2", {"mkfs.ext2", "-q", "-L", "DATA"}, 4, R"(an ext2 file system labelled "DATA")"},
        Formatted{"xfs",
                  {"mkfs.xfs", "-q", "--unsupported", "-L", "DATA"},
                  64,
                  R"(an xfs file system labelled "DATA")"},
        Formatted{"btrfs",
                  {"mkfs.btrfs", "-q", "-L", "DATA"},
                  128,
                  R"(a btrfs file system labelled "DATA")"},
        Formatted{"vfat", {"mkfs.vfat", "-n", "DATA"}, 16, R"(a vfat file system labelled "DATA")"},
        Formatted{"swap", {"mkswap", "-q", "-L", "DATA"}, 4, R"(swap space labelled "DATA")"}),
    [](const auto &each) { return each.param.type; });

TEST(ProbeContent, KeepsControlCharactersOutOfLabels) {
    const Image image(4 * kMiB);
    image.run({"mkfs.ext2", "-q", "-L", "a\x1b[2J\xc2\x9b\xff\xc3\xa9"});
    EXPECT_EQ(image.probe().label, "a_[2J__\xc3\xa9");
}

// A superblock whose checksum is wrong is not what mkfs left, but not blank either: it has a name.
TEST(ProbeContent, NamesADamagedSuperblock) {
    const Image image(128 * kMiB);
    image.run({"mkfs.btrfs", "-q"});
    constexpr std::uint64_t kSuperblock = 64 << 10U;
    image.write(kSuperblock, "garbage in the checksum");
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Filesystem);
    EXPECT_EQ(content.type, "btrfs");
}

// ------------------------------------------------------------------------------ larger wholes

// A member's superblock at sector `sector`, with its checksum: 32-bit little-endian words, folded
// once.
void writeRaidMember(const Image &image, std::uint64_t sector) {
    const std::uint64_t at = sector * 512;
    constexpr unsigned kFixedSize = 256;
    image.writeNumber(at, 0xa92b4efc, 4);      // magic
    image.writeNumber(at + 4, 1, 4);           // major version
    image.write(at + 16, "0123456789abcdef");  // set UUID
    image.write(at + 32, "host:data");         // set name
    image.writeNumber(at + 72, 1, 4);          // level
    image.writeNumber(at + 80, 8192, 8);       // size in sectors
    image.writeNumber(at + 92, 2, 4);          // disks
    image.writeNumber(at + 136, 8192, 8);      // data size
    image.writeNumber(at + 144, sector, 8);
    std::string block(kFixedSize, '\0');
    ASSERT_THAT(base::readExactly(image.fd(), std::as_writable_bytes(std::span(block)), at),
                test::IsOk());
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < kFixedSize; i += 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, block.data() + i, sizeof word);
        sum += word;
    }
    image.writeNumber(at + 216, (sum & 0xffffffffU) + (sum >> 32U), 4);
}

TEST(ProbeContent, TellsARaidMember) {
    const Image image(16 * kMiB);
    writeRaidMember(image, 8);
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Raid);
    EXPECT_EQ(content.type, "linux_raid_member");
    EXPECT_EQ(content.label, "host:data");
    EXPECT_EQ(content.describe(), "a RAID member (linux_raid_member)");
}

// Superblock 1.0 is at the end: the array's content begins where the member does, and to open the
// member would break the mirror.
TEST(ProbeContent, TellsAMemberOfAnEncryptedMirrorFromLuks) {
    const Image image(32 * kMiB);
    formatLuks(image, "luks2");
    ASSERT_EQ(image.probe().kind, ContentKind::Luks2);
    writeRaidMember(image, (image.size() / 512 - 16) & ~std::uint64_t{7});
    EXPECT_EQ(image.probe().kind, ContentKind::Raid);
}

// LVM2's CRC-32 starts from 0xf597a6cf and is not inverted.
std::uint32_t lvmChecksum(std::string_view bytes) {
    std::uint32_t crc = 0xf597a6cf;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
    }
    return crc;
}

TEST(ProbeContent, TellsAnLvmPhysicalVolume) {
    const Image image(16 * kMiB);
    constexpr std::uint64_t kLabel = 512;
    image.write(kLabel, "LABELONE");
    image.writeNumber(kLabel + 8, 1, 8);    // its sector
    image.writeNumber(kLabel + 20, 32, 4);  // offset of what follows
    image.write(kLabel + 24, "LVM2 001");
    image.write(kLabel + 32, "abcdefghijklmnopqrstuvwxyz012345");
    std::string checked(512 - 20, '\0');
    ASSERT_THAT(
        base::readExactly(image.fd(), std::as_writable_bytes(std::span(checked)), kLabel + 20),
        test::IsOk());
    image.writeNumber(kLabel + 16, lvmChecksum(checked), 4);
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Raid);
    EXPECT_EQ(content.type, "LVM2_member");
    EXPECT_EQ(content.describe(), "an LVM2 physical volume");
}

// ---------------------------------------------------------------------------- partition tables

TEST(ProbeContent, TellsPartitionTables) {
    for (const std::string type : {"gpt", "dos"}) {
        const Image image(16 * kMiB);
        image.shell("printf 'label: " + type + "\\n,4M\\n' | sfdisk -q \"$1\"");
        const Content content = image.probe();
        EXPECT_EQ(content.kind, ContentKind::PartitionTable) << type;
        EXPECT_EQ(content.type, type);
        EXPECT_EQ(content.describe(), "a partition table (" + type + ")");
    }
}

TEST(ProbeContent, FindsAGptByItsBackupAlone) {
    const Image image(16 * kMiB);
    image.shell("printf 'label: gpt\\n,4M\\n' | sfdisk -q \"$1\"");
    image.fill(0, kMiB, '\0');
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::PartitionTable);
    EXPECT_EQ(content.type, "gpt");
}

TEST(ProbeContent, FindsTwoKindsAmbivalent) {
    const Image image(16 * kMiB);
    image.shell("printf 'label: gpt\\n,4M\\n' | sfdisk -q \"$1\"");
    const Image filesystem(16 * kMiB);
    filesystem.run({"mkfs.ext4", "-q"});
    std::string superblock(1024, '\0');
    ASSERT_THAT(
        base::readExactly(filesystem.fd(), std::as_writable_bytes(std::span(superblock)), 1024),
        test::IsOk());
    image.write(1024, superblock);
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Ambivalent);
    EXPECT_THAT(content.type, HasSubstr("ext4"));
    EXPECT_THAT(content.type, HasSubstr("gpt"));
    EXPECT_EQ(content.describe(), "signatures of more than one kind (" + content.type + ")");
}

TEST(ProbeContent, FindsTwoFileSystemsAmbivalent) {
    const Image image(128 * kMiB);
    image.run({"mkfs.btrfs", "-q"});
    const Image other(128 * kMiB);
    other.run({"mkfs.xfs", "-q", "--unsupported"});
    std::string superblock(512, '\0');
    ASSERT_THAT(base::readExactly(other.fd(), std::as_writable_bytes(std::span(superblock)), 0),
                test::IsOk());
    image.write(0, superblock);
    const Content content = image.probe();
    EXPECT_EQ(content.kind, ContentKind::Ambivalent);
    EXPECT_THAT(content.type, HasSubstr("xfs"));
    EXPECT_THAT(content.type, HasSubstr("btrfs"));
}

}  // namespace
}  // namespace volumecrypt::blockdev

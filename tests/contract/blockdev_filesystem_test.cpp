// SPDX-License-Identifier: Apache-2.0
// makeFilesystem with the real mkfs programs on plain files.
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/files.h"
#include "base/unique_fd.h"
#include "blockdev/content.h"
#include "blockdev/filesystem.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;
using model::FilesystemType;
using ::testing::HasSubstr;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

model::FilesystemSpec wanted(FilesystemType type, const std::string &label = {}) {
    model::FilesystemSpec spec;
    spec.type = type;
    spec.label = label;
    return spec;
}

class MakeFilesystem : public ::testing::Test {
  protected:
    std::string image(std::uint64_t size) {
        size_ = size;
        std::string path = directory_.file("image");
        const auto fd = base::openFile(path, O_RDWR | O_CREAT, 0600);
        EXPECT_THAT(fd, test::IsOk());
        EXPECT_EQ(::ftruncate(fd->get(), static_cast<off_t>(size)), 0);
        return path;
    }
    Content content() {
        const auto fd = base::openFile(directory_.file("image"), O_RDONLY);
        EXPECT_THAT(fd, test::IsOk());
        auto found = probeContent(fd->get(), size_);
        EXPECT_THAT(found, test::IsOk());
        return found.value_or(Content{});
    }
    test::TempDir directory_;
    std::uint64_t size_ = 0;
};

struct Wanted {
    FilesystemType type;
    std::uint64_t mebibytes;
    std::string label;
    std::string made;
};

class EveryType : public MakeFilesystem, public ::testing::WithParamInterface<Wanted> {};

TEST_P(EveryType, IsMadeWithItsLabel) {
    const std::string path = image(GetParam().mebibytes * kMebibyte);
    ASSERT_THAT(makeFilesystem(wanted(GetParam().type, GetParam().label), path), test::IsOk());
    EXPECT_EQ(content().kind, ContentKind::Filesystem);
    EXPECT_EQ(content().type, model::filesystemName(GetParam().type));
    EXPECT_EQ(content().label, GetParam().made);
}

// sb_agcount, big endian, of the superblock.
std::uint32_t allocationGroups(const std::string &path) {
    const auto file = base::openFile(path, O_RDONLY);
    EXPECT_THAT(file, test::IsOk());
    std::array<unsigned char, 4> bytes{};
    EXPECT_EQ(::pread(file->get(), bytes.data(), bytes.size(), 88), 4);
    std::uint32_t count = 0;
    for (const unsigned char byte : bytes) count = count << 8U | byte;
    return count;
}

TEST_F(MakeFilesystem, AllocationGroupsOfXfsKeepToTheirMinimum) {
    struct Groups {
        std::uint64_t minimum;  // MiB
        std::uint32_t made;
    };
    // One group alone mkfs.xfs does not make.
    for (const Groups &groups : {Groups{0, 4}, {1, 4}, {100, 4}, {130, 3}, {200, 2}, {4096, 2}}) {
        model::FilesystemSpec spec = wanted(FilesystemType::Xfs);
        spec.minAllocationGroupSize = groups.minimum * kMebibyte;
        const std::string path = image(400 * kMebibyte);
        ASSERT_THAT(makeFilesystem(spec, path), test::IsOk());
        EXPECT_EQ(allocationGroups(path), groups.made) << groups.minimum;
        std::filesystem::remove(path);
    }
    // Too small for a choice.
    model::FilesystemSpec spec = wanted(FilesystemType::Xfs);
    spec.minAllocationGroupSize = kMebibyte;
    EXPECT_THAT(makeFilesystem(spec, image(20 * kMebibyte)), test::IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    Made, EveryType,
    ::testing::Values(Wanted{FilesystemType::Xfs, 400, "", ""},
                      Wanted{FilesystemType::Xfs, 400, "twelve-bytes", "twelve-bytes"},
                      Wanted{FilesystemType::Xfs, 100, "STATE", "STATE"},
                      Wanted{FilesystemType::Ext4, 64, "", ""},
                      Wanted{FilesystemType::Ext4, 64, "sixteen-bytes-ok", "sixteen-bytes-ok"},
                      Wanted{FilesystemType::Btrfs, 128, "", ""},
                      Wanted{FilesystemType::Btrfs, 128, "a longer label", "a longer label"},
                      Wanted{FilesystemType::Vfat, 64, "", ""},
                      Wanted{FilesystemType::Vfat, 64, "efi-Data", "EFI-DATA"},
                      Wanted{FilesystemType::Swap, 16, "", ""},
                      Wanted{FilesystemType::Swap, 16, "fifteen-bytes-o", "fifteen-bytes-o"}));

struct Smallest {
    FilesystemType type;
    std::vector<std::string> largeSectors;  // mkfs as on sectors of 4096 bytes
};

class SmallestFilesystem : public MakeFilesystem, public ::testing::WithParamInterface<Smallest> {};

// The table is what the installed mkfs does.
TEST_P(SmallestFilesystem, IsThatOfMkfs) {
    const FilesystemType type = GetParam().type;
    const std::uint64_t smallest = smallestFilesystem(type, 512);
    std::string path = image(smallest);
    EXPECT_THAT(makeFilesystem(wanted(type), path), test::IsOk());
    ASSERT_EQ(::unlink(path.c_str()), 0);
    path = image(smallest - 512);
    EXPECT_THAT(makeFilesystem(wanted(type), path), test::FailsWith(ErrorCode::Io));
}

TEST_P(SmallestFilesystem, OnLargeSectorsIsThatOfMkfs) {
    const std::uint64_t smallest = smallestFilesystem(GetParam().type, 4096);
    for (const auto &[size, exitsWell] : {std::pair(smallest, true), {smallest - 4096, false}}) {
        const std::string path = image(size);
        std::vector<std::string> argv = GetParam().largeSectors;
        argv.push_back(path);
        const auto outcome = base::runProgram(argv);
        ASSERT_THAT(outcome, test::IsOk());
        EXPECT_EQ(outcome->exitCode == 0, exitsWell) << outcome->output;
        ASSERT_EQ(::unlink(path.c_str()), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Table, SmallestFilesystem,
    ::testing::Values(Smallest{FilesystemType::Xfs,
                               {"mkfs.xfs", "-q", "-s", "size=4096", "--unsupported"}},
                      Smallest{FilesystemType::Ext4, {"mkfs.ext4", "-q", "-b", "4096"}},
                      Smallest{FilesystemType::Btrfs, {"mkfs.btrfs", "-q"}},
                      Smallest{FilesystemType::Vfat, {"mkfs.vfat", "-S", "4096"}},
                      Smallest{FilesystemType::Swap, {"mkswap"}}));

TEST_F(MakeFilesystem, ProgramsAreThere) {
    EXPECT_EQ(smallestFilesystem(FilesystemType::None, 512), 0U);
    for (const auto type : {FilesystemType::None, FilesystemType::Xfs, FilesystemType::Ext4,
                            FilesystemType::Btrfs, FilesystemType::Vfat, FilesystemType::Swap})
        EXPECT_THAT(expectMkfs(type), test::IsOk());
    EXPECT_FALSE(base::hasProgram("mkfs.none-such"));
}

TEST_F(MakeFilesystem, NoneDoesNothing) {
    const std::string path = image(kMebibyte);
    EXPECT_THAT(makeFilesystem(wanted(FilesystemType::None, "x"), path), test::IsOk());
    EXPECT_EQ(content().kind, ContentKind::Blank);
    EXPECT_THAT(makeFilesystem(wanted(FilesystemType::None), "/nowhere"), test::IsOk());
}

TEST_F(MakeFilesystem, RefusesLabelsThatDoNotFit) {
    const std::string path = image(400 * kMebibyte);
    const std::vector<std::pair<FilesystemType, std::size_t>> limits{
        {FilesystemType::Xfs, 12}, {FilesystemType::Ext4, 16}, {FilesystemType::Vfat, 11}};
    for (const auto &[type, limit] : limits)
        EXPECT_THAT(makeFilesystem(wanted(type, std::string(limit + 1, 'x')), path),
                    test::FailsWith(ErrorCode::InvalidConfig, HasSubstr(std::to_string(limit))));
    EXPECT_EQ(content().kind, ContentKind::Blank);
}

// Every mkfs, over every file system: nothing is written.
TEST_F(MakeFilesystem, NeverOverwritesWhatIsThere) {
    const std::string path = image(128 * kMebibyte);
    ASSERT_THAT(makeFilesystem(wanted(FilesystemType::Ext4, "precious"), path), test::IsOk());
    const auto before = base::readFile(path, 256 * kMebibyte);
    for (const auto type : {FilesystemType::Xfs, FilesystemType::Ext4, FilesystemType::Btrfs,
                            FilesystemType::Vfat, FilesystemType::Swap})
        EXPECT_THAT(makeFilesystem(wanted(type), path),
                    test::FailsWith(ErrorCode::NotBlank, HasSubstr("labelled \"precious\"")));
    EXPECT_TRUE(*before == *base::readFile(path, 256 * kMebibyte));
}

TEST_F(MakeFilesystem, FailsWithTheProgramsOwnWords) {
    const std::string path = image(kMebibyte);
    const auto status = makeFilesystem(wanted(FilesystemType::Btrfs), path);
    ASSERT_THAT(status, test::FailsWith(ErrorCode::Io, HasSubstr("mkfs.btrfs")));
    EXPECT_THAT(status.error().message, HasSubstr("too small"));
    EXPECT_EQ(status.error().message.find('\n'), std::string::npos);
}

TEST_F(MakeFilesystem, SaysWhenTheDeviceIsNotThere) {
    EXPECT_THAT(makeFilesystem(wanted(FilesystemType::Ext4), directory_.file("missing")),
                test::FailsWith(ErrorCode::NotFound));
}

}  // namespace
}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// Files inside a volume that somebody else may have filled.
#include "base/file_below.h"

#include <filesystem>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/files.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::base {
namespace {

namespace fs = std::filesystem;
using test::FailsWith;
using test::IsOk;
using ::testing::HasSubstr;

constexpr std::size_t kLimit = 100;

class FileBelowTest : public testing::Test {
  protected:
    FileBelowTest() {
        fs::create_directories(root_);
        fs::create_directories(outside_);
    }
    void make(const std::string &name, const std::string &text = "text") const {
        fs::create_directories(fs::path(root_ + "/" + name).parent_path());
        ASSERT_TRUE(writeFileAtomically(root_ + "/" + name, text, 0600));
    }
    [[nodiscard]] std::size_t filesIn(const std::string &directory) const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
    }

    test::TempDir directory_;
    std::string root_ = directory_.file("volume");
    std::string outside_ = directory_.file("outside");
    FileBelow pin_{.root = root_, .name = "ours/pins/x.json"};
};

TEST_F(FileBelowTest, ComesAndGoes) {
    EXPECT_FALSE(*existsBelow(pin_));
    EXPECT_THAT(readBelow(pin_, kLimit), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(removeBelow(pin_), IsOk());
    EXPECT_FALSE(fs::exists(root_ + "/ours")) << "looking makes nothing";
    ASSERT_THAT(writeBelow(pin_, "one", 0600), IsOk());
    ASSERT_THAT(writeBelow(pin_, "two", 0640), IsOk());
    EXPECT_TRUE(*existsBelow(pin_));
    EXPECT_EQ(*readBelow(pin_, kLimit), "two");
    EXPECT_EQ(fs::status(pin_.path()).permissions(), fs::perms{0640});
    EXPECT_EQ(filesIn(root_ + "/ours/pins"), 1U);
    EXPECT_THAT(removeBelow(pin_), IsOk());
    EXPECT_FALSE(*existsBelow(pin_));
}

TEST_F(FileBelowTest, OnlyRegularFilesAreOpened) {
    const std::string pins = root_ + "/ours/pins/";
    fs::create_directories(pins);
    ASSERT_TRUE(writeFileAtomically(outside_ + "/shadow", "secret", 0600));
    ASSERT_EQ(::mkfifo((pins + "fifo").c_str(), 0600), 0);
    fs::create_directory(pins + "directory");
    fs::create_symlink(outside_ + "/shadow", pins + "link");
    fs::create_symlink("nowhere", pins + "dangling");
    std::vector<std::string> names{"fifo", "directory", "link", "dangling"};
    if (::geteuid() == 0 && ::mknod((pins + "device").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0)
        names.emplace_back("device");
    for (const std::string &name : names) {
        const FileBelow file{.root = root_, .name = "ours/pins/" + name};
        EXPECT_TRUE(*existsBelow(file)) << name << ": it is there, and no pin";
        EXPECT_THAT(readBelow(file, kLimit),
                    FailsWith(ErrorCode::Io, HasSubstr(file.path() + " is no regular file")))
            << name;
        EXPECT_THAT(openBelow(file), FailsWith(ErrorCode::Io)) << name;
    }
}

TEST_F(FileBelowTest, LengthIsBounded) {
    make(pin_.name, std::string(kLimit, 'x'));
    EXPECT_THAT(readBelow(pin_, kLimit), IsOk());
    make(pin_.name, std::string(kLimit + 1, 'x'));
    EXPECT_THAT(readBelow(pin_, kLimit), FailsWith(ErrorCode::Io, HasSubstr("longer than")));
    // As long as a file can be.
    ASSERT_EQ(::truncate(pin_.path().c_str(), off_t{1} << 40), 0);
    EXPECT_THAT(readBelow(pin_, kLimit), FailsWith(ErrorCode::Io));
}

TEST_F(FileBelowTest, NothingLeadsOut) {
    ASSERT_TRUE(writeFileAtomically(outside_ + "/x.json", "secret", 0600));
    fs::create_directories(root_ + "/ours");
    fs::create_symlink(outside_, root_ + "/ours/pins");
    const std::string problem = root_ + "/ours/pins is no directory";
    EXPECT_THAT(existsBelow(pin_), FailsWith(ErrorCode::Io, HasSubstr(problem)));
    EXPECT_THAT(readBelow(pin_, kLimit), FailsWith(ErrorCode::Io, HasSubstr(problem)));
    EXPECT_THAT(writeBelow(pin_, "theirs", 0600), FailsWith(ErrorCode::Io, HasSubstr(problem)));
    EXPECT_THAT(removeBelow(pin_), FailsWith(ErrorCode::Io, HasSubstr(problem)));
    EXPECT_EQ(*readFile(outside_ + "/x.json"), "secret");
    EXPECT_EQ(filesIn(outside_), 1U);
}

TEST_F(FileBelowTest, ALinkInItsPlaceIsReplacedNotFollowed) {
    ASSERT_TRUE(writeFileAtomically(outside_ + "/shadow", "secret", 0600));
    fs::create_directories(root_ + "/ours/pins");
    fs::create_symlink(outside_ + "/shadow", pin_.path());
    ASSERT_THAT(writeBelow(pin_, "ours", 0600), IsOk());
    EXPECT_EQ(*readFile(outside_ + "/shadow"), "secret");
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(pin_.path())));
    fs::remove(pin_.path());
    fs::create_symlink(outside_ + "/shadow", pin_.path());
    EXPECT_THAT(removeBelow(pin_), IsOk());
    EXPECT_TRUE(fs::exists(outside_ + "/shadow"));
}

TEST_F(FileBelowTest, AnEmptyDirectoryIsRemovedAndNoOther) {
    make(pin_.name + "/inside");
    EXPECT_THAT(removeBelow(pin_), FailsWith(ErrorCode::Io));
    EXPECT_TRUE(fs::exists(pin_.path() + "/inside"));
    fs::remove(pin_.path() + "/inside");
    EXPECT_THAT(removeBelow(pin_), IsOk());
    EXPECT_FALSE(*existsBelow(pin_));
}

TEST_F(FileBelowTest, WhatLeadsToTheVolumeMayBeALink) {
    make(pin_.name);
    fs::create_directory_symlink(root_, directory_.file("link"));
    EXPECT_EQ(*readBelow({.root = directory_.file("link"), .name = pin_.name}, kLimit), "text");
}

}  // namespace
}  // namespace volumecrypt::base

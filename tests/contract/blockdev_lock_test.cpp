// SPDX-License-Identifier: Apache-2.0
// Locks of volumes, and exclusive opening of files.
#include <atomic>
#include <thread>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/files.h"
#include "blockdev/device.h"
#include "blockdev/lock.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class Lock : public ::testing::Test {
  protected:
    [[nodiscard]] Device image(const std::string &name) const {
        auto device = findDevice({.path = directory_.write(name, std::string(4096, '\0'))});
        EXPECT_THAT(device, test::IsOk());
        return *device;
    }
    test::TempDir directory_;
    model::SystemPaths paths_{directory_.path() + "/root"};
};

TEST_F(Lock, MakesAPrivateFileNamedAfterTheDevice) {
    const Device device = image("a");
    const auto lock = lockDevice(paths_, device);
    ASSERT_THAT(lock, test::IsOk());
    const std::string path = paths_.lockDir() + "/file-" + std::to_string(major(device.number)) +
                             ":" + std::to_string(minor(device.number)) + "-" +
                             std::to_string(device.inode) + ".lock";
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
    EXPECT_EQ(*base::readFile(path), std::to_string(::getpid()) + "\n");
}

TEST_F(Lock, IsNamedAfterTheNumberOfABlockDevice) {
    Device device;
    device.number = makedev(253, 17);
    ASSERT_THAT(lockDevice(paths_, device), test::IsOk());
    EXPECT_THAT(base::readFile(paths_.lockDir() + "/block-253:17.lock"), test::IsOk());
}

TEST_F(Lock, IsBusyForTheSecondAndFreeForTheThird) {
    const Device device = image("a");
    auto first = lockDevice(paths_, device);
    ASSERT_THAT(first, test::IsOk());
    const auto second = lockDeviceWithin(paths_, device, milliseconds(60));
    EXPECT_THAT(second, test::FailsWith(ErrorCode::Busy, HasSubstr(std::to_string(::getpid()))));
    EXPECT_THAT(second.error().message, HasSubstr(device.path));
    EXPECT_TRUE(second.error().retry);
    first->reset();
    EXPECT_THAT(lockDeviceWithin(paths_, device, milliseconds(0)), test::IsOk());
}

TEST_F(Lock, OfOneDeviceDoesNotHinderAnother) {
    const auto first = lockDevice(paths_, image("a"));
    EXPECT_THAT(first, test::IsOk());
    EXPECT_THAT(lockDeviceWithin(paths_, image("b"), milliseconds(0)), test::IsOk());
}

TEST_F(Lock, IsTheSameThroughALink) {
    const Device device = image("a");
    ASSERT_EQ(::symlink(device.path.c_str(), directory_.file("link").c_str()), 0);
    const auto first = lockDevice(paths_, device);
    EXPECT_THAT(first, test::IsOk());
    const auto link = findDevice({.path = directory_.file("link")});
    ASSERT_THAT(link, test::IsOk());
    EXPECT_THAT(lockDeviceWithin(paths_, *link, milliseconds(0)), test::FailsWith(ErrorCode::Busy));
}

TEST_F(Lock, WaitsForItsHolder) {
    const Device device = image("a");
    auto first = lockDevice(paths_, device);
    ASSERT_THAT(first, test::IsOk());
    std::atomic<bool> released = false;
    std::thread holder([&] {
        std::this_thread::sleep_for(milliseconds(100));
        released = true;
        first->reset();
    });
    const auto second = lockDevice(paths_, device);
    EXPECT_TRUE(released);
    EXPECT_THAT(second, test::IsOk());
    holder.join();
}

TEST_F(Lock, WaitingCanBeStopped) {
    const Device device = image("a");
    const auto first = lockDevice(paths_, device);
    ASSERT_THAT(first, test::IsOk());
    int asked = 0;
    const CheckStop stop = [&asked]() -> base::Status {
        if (++asked < 3) return {};
        return base::fail(ErrorCode::Cancelled, "stopped");
    };
    EXPECT_THAT(lockDevice(paths_, device, stop), test::FailsWith(ErrorCode::Cancelled));
    const auto exclusive = openExclusively(device);
    ASSERT_THAT(exclusive, test::IsOk());
    asked = 0;
    EXPECT_THAT(openExclusively(device, stop), test::FailsWith(ErrorCode::Cancelled));
}

TEST_F(Lock, DoesNotFollowALinkInItsDirectory) {
    Device device;
    device.number = makedev(1, 2);
    ASSERT_THAT(base::makeDirectories(paths_.lockDir()), test::IsOk());
    const std::string victim = directory_.write("victim", "precious");
    ASSERT_EQ(::symlink(victim.c_str(), (paths_.lockDir() + "/block-1:2.lock").c_str()), 0);
    EXPECT_THAT(lockDevice(paths_, device), test::FailsWith(ErrorCode::Io));
    EXPECT_EQ(*base::readFile(victim), "precious");
}

TEST_F(Lock, ExclusiveOpeningOfAFileIsExclusive) {
    const Device device = image("a");
    auto first = openExclusively(device);
    ASSERT_THAT(first, test::IsOk());
    EXPECT_TRUE(first->device.valid());
    EXPECT_FALSE(first->disk.valid());
    EXPECT_THAT(openExclusivelyWithin({}, device, milliseconds(30)),
                test::FailsWith(ErrorCode::Busy, HasSubstr(device.node)));
    first->device.reset();
    EXPECT_THAT(openExclusivelyWithin({}, device, milliseconds(0)), test::IsOk());
}

TEST_F(Lock, OpeningNoticesThatTheFileWasReplaced) {
    const Device device = image("a");
    // A second file keeps the first one's inode number from being given out again.
    ASSERT_EQ(::rename(device.path.c_str(), directory_.file("old").c_str()), 0);
    directory_.write("a", "another");
    EXPECT_THAT(openDevice(device, false), test::FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(openExclusively(device), test::FailsWith(ErrorCode::NotFound));
}

TEST_F(Lock, OpeningForReadingDoesNotAllowWriting) {
    const Device device = image("a");
    const auto reader = openDevice(device, false);
    ASSERT_THAT(reader, test::IsOk());
    EXPECT_EQ(::pwrite(reader->get(), "x", 1, 0), -1);
    const auto writer = openDevice(device, true);
    ASSERT_THAT(writer, test::IsOk());
    EXPECT_EQ(::pwrite(writer->get(), "x", 1, 0), 1);
}

}  // namespace
}  // namespace volumecrypt::blockdev

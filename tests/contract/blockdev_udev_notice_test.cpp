// SPDX-License-Identifier: Apache-2.0
// Waiting for udev: it is told again when it missed the end of a mkfs.
#include <chrono>
#include <thread>

#include <sys/inotify.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "blockdev/udev_notice.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {
namespace {

class UdevNoticeTest : public testing::Test {
  protected:
    UdevNoticeTest() {
        directory_.write("udev/control", "");
        node_ = directory_.write("node", "");
    }
    // A plain file has device number 0:0.
    void setDatabase(const std::string &more) const {
        directory_.write("udev/data/b0:0", "I:1\nE:DM_NAME=luks2-u-data\n" + more);
    }
    [[nodiscard]] bool await(int patienceMs) const {
        return blockdev::awaitUdevNotice(node_, directory_.file("udev"), patienceMs);
    }

    TempDir directory_;
    std::string node_;
};

TEST_F(UdevNoticeTest, IsSatisfiedWithASignature) {
    setDatabase("E:ID_FS_TYPE=ext4\n");
    EXPECT_TRUE(await(20));
}

TEST_F(UdevNoticeTest, DoesNotWaitWhereNoUdevRuns) {
    std::filesystem::remove(directory_.file("udev/control"));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(await(20'000));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(UdevNoticeTest, GivesUpAtLast) {
    setDatabase("");
    EXPECT_FALSE(await(100));
}

// As udev: it looks at the device when it is closed after writing, and only then.
TEST_F(UdevNoticeTest, ClosesTheDeviceOnceMore) {
    setDatabase("");
    const int watch = ::inotify_init1(IN_CLOEXEC);
    ASSERT_GE(::inotify_add_watch(watch, node_.c_str(), IN_CLOSE_WRITE), 0);
    std::thread udev([&] {
        char event[512];
        if (::read(watch, event, sizeof event) > 0) setDatabase("E:ID_FS_TYPE=ext4\n");
    });
    EXPECT_TRUE(await(20'000));
    udev.join();
    ::close(watch);
}

}  // namespace
}  // namespace volumecrypt::test

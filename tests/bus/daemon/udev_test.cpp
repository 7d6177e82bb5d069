// SPDX-License-Identifier: Apache-2.0
// Devices that come, change and go, as the daemon hears of them from udev: a test bed of umockdev's
// (preloaded here and, with that, into the daemon) speaks to its real libudev. The engine is
// scripted, and its calls are what is counted.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <umockdev.h>

#include "client.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

constexpr std::chrono::seconds kSettled{3};  // longer than a burst is gathered

class Udev : public ::testing::Test {
  protected:
    void SetUp() override {
        testbed_ = umockdev_testbed_new();
        disk_ = addDevice("sdz", "disk", "8:0", nullptr, "DEVNAME", "/dev/sdz");
        daemon_.configure("data.yaml",
                          "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n"
                          "encryption: {provider: luks2, keys: [{slot: 0, nodeID: {}}]}\n");
        daemon_.start();
        client_.listen();
    }
    void TearDown() override {
        daemon_.kill();
        g_object_unref(testbed_);
    }

    template <typename... Properties>
    std::string addDevice(const char *name, const char *type, const char *number,
                          const char *parent, const Properties *...properties) {
        const std::string attributes[] = {"dev", std::string(number) + "\n"};
        const gchar *attributeList[] = {attributes[0].c_str(), attributes[1].c_str(), nullptr};
        const gchar *propertyList[] = {"DEVTYPE", type, properties..., nullptr};
        gchar *path = umockdev_testbed_add_devicev(testbed_, "block", name, parent,
                                                   const_cast<gchar **>(attributeList),
                                                   const_cast<gchar **>(propertyList));
        if (path == nullptr) throw std::runtime_error("umockdev");
        std::string text(path);
        g_free(path);
        return text;
    }
    std::string plugIn() {
        std::string path =
            addDevice("sdz1", "partition", "8:1", disk_.c_str(), "DEVNAME", "/dev/sdz1", "DEVLINKS",
                      "/dev/disk/by-partlabel/u-data /dev/disk/by-id/x-part1");
        tell(path, "add");
        return path;
    }
    void tell(const std::string &path, const char *action) {
        umockdev_testbed_uevent(testbed_, path.c_str(), action);
    }
    [[nodiscard]] long calls(const std::string &verb) const {
        std::ifstream file(daemon_.folder().file("script/calls"));
        long count = 0;
        for (std::string line; std::getline(file, line);) count += line.starts_with(verb + " ");
        return count;
    }
    [[nodiscard]] long inspections() const { return calls("inspect"); }
    std::string state() {
        return client_.property<std::string>(volumePath("u-data"), kVolume, "State");
    }

    TestBus bus_{Polkit::Absent};
    TestDaemon daemon_{Engine::Scripted};
    Client client_;
    UMockdevTestbed *testbed_ = nullptr;
    std::string disk_;
};

TEST_F(Udev, ADeclaredDeviceThatComesAndGoesIsLookedAt) {
    daemon_.script("inspect", "result ',\"device\":\"/dev/sdz1\"'");
    const long before = inspections();
    const std::string partition = plugIn();
    EXPECT_TRUE(client_.waitFor([&] { return state() == "locked" && inspections() > before; }));
    const long there = inspections();
    daemon_.script(
        "inspect",
        R"(printf '{"type":"result","verb":"inspect","volume":"u-data","state":"absent",)"
        R"("changed":false}\n')");
    tell(partition, "remove");
    EXPECT_TRUE(client_.waitFor([&] { return state() == "absent"; }));
    EXPECT_GT(inspections(), there);
}

TEST_F(Udev, OtherDevicesAreNot) {
    const long before = inspections();
    const std::string other = addDevice("sdz2", "partition", "8:2", disk_.c_str(), "DEVNAME",
                                        "/dev/sdz2", "DEVLINKS", "/dev/disk/by-partlabel/u-other");
    tell(other, "change");
    tell(disk_, "change");
    std::this_thread::sleep_for(kSettled);
    EXPECT_EQ(inspections(), before);
}

// Such as the events that our own writes to a header cause.
TEST_F(Udev, ABurstOfEventsCostsFewLooks) {
    const std::string partition = plugIn();
    std::this_thread::sleep_for(kSettled);
    const long before = inspections();
    for (int i = 0; i < 150; ++i) {
        tell(partition, "change");
        // The test bed's socket is small.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_TRUE(eventually([&] { return inspections() > before; }));
    std::this_thread::sleep_for(kSettled);
    EXPECT_LE(inspections() - before, 3);
}

// What an attach found in its way was a mapping whose device went away.
TEST_F(Udev, AStaleMappingThatGoesLetsTheVolumeBeUnlocked) {
    daemon_.script("attach",
                   R"(if [ -e "$SCRIPTS/free" ]; then result; exit; fi
        printf '{"type":"error","verb":"attach","volume":"u-data","code":"Busy",)"
                   R"("message":"stale","hint":"","retry":true,"slot":null}\n'; exit 75)");
    const std::string mapping = addDevice("dm-9", "disk", "253:9", nullptr, "DEVNAME", "/dev/dm-9",
                                          "DM_NAME", "luks2-u-data");
    const Answer busy = client_.call(volumePath("u-data"), kVolume, "Unlock", Options());
    ASSERT_EQ(busy, "Busy");
    // The first attempt of the daemon's own; the next one is far off.
    ASSERT_TRUE(eventually([&] { return calls("attach") == 2; }));
    daemon_.folder().write("script/free", "");
    const auto gone = std::chrono::steady_clock::now();
    tell(mapping, "remove");
    ASSERT_TRUE(eventually([&] { return calls("attach") == 3; }));
    EXPECT_LE(std::chrono::steady_clock::now() - gone, std::chrono::milliseconds(2500));
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// What the service says of a volume is so: its mounts, its keys, its last error.
#include <sys/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "client.h"
#include "served_object.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char *kUnitPath = "/org/freedesktop/systemd1/unit/srv_2ddata_2emount";

// The engine says what its scripts say; the mounts are those of a file, or the kernel's.
class Status : public ::testing::Test {
  protected:
    void SetUp() override {
        daemon_.configure("data.yaml",
                          "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n"
                          "volume: {device: /dev/nonexistent-data}\n"
                          "mount: {where: /srv/data}\n"
                          "filesystem: {type: btrfs}\n"
                          "encryption:\n  provider: luks2\n  keys:\n"
                          "    - {slot: 0, static: {passphrase: first}}\n"
                          "    - {slot: 1, static: {passphrase: second}}\n");
        daemon_.script("inspect", inspected("unverified"));
        daemon_.script("sync", "result");
        daemon_.script("attach", "result");
    }
    static std::string inspected(const std::string &health) {
        return R"(printf '{"type":"result","verb":"inspect","volume":"u-data","state":"unlocked",)"
               R"("mapping":"/dev/mapper/luks2-u-data","uuid":"one","slots":[)"
               R"({"slot":0,"kind":"static","managed":true,"health":")" +
               health +
               R"("},{"slot":1,"kind":"static","managed":true,"health":"unverified"},)"
               R"({"slot":5,"kind":"unknown","managed":false,"health":"unverified"}]}\n')";
    }
    void start() {
        daemon_.start();
        client_.listen();
    }
    template <typename Value>
    Value get(const char *name) {
        return client_.property<Value>(data_, kVolume, name);
    }
    bool mounted() { return get<bool>("Mounted"); }
    std::vector<std::string> health() {
        using Slot = sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>;
        std::vector<std::string> health;
        for (const auto &slot : get<std::vector<Slot>>("KeySlots")) health.push_back(slot.get<4>());
        return health;
    }
    std::string lastError() {
        return get<sdbus::Struct<std::string, std::string>>("LastError").get<0>();
    }
    Finished sync() { return client_.runJob(data_, kVolume, "Sync", Options()); }
    Answer unlock() {
        std::string mapping;
        return client_.get(mapping, data_, kVolume, "Unlock", Options());
    }
    // The table of mounts; an inspection reads it.
    void mounts(const std::string &lines) {
        daemon_.folder().write("root/proc/self/mountinfo",
                               "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + lines);
        daemon_.folder().write("root/sys/class/block/dm-3/dm/name", "luks2-u-data\n");
        daemon_.folder().write("root/sys/class/block/dm-3/dev", "254:3\n");
    }
    bool mountedBy(const std::string &lines) {
        mounts(lines);
        EXPECT_TRUE(sync().success);
        return mounted();
    }

    TestBus bus_{Polkit::Absent};
    TestDaemon daemon_{Engine::Scripted};
    Client client_;
    std::string data_ = volumePath("u-data");
};

TEST_F(Status, MountedIsWhatTheKernelSays) {
    mounts("");
    start();
    EXPECT_EQ(get<std::string>("MountPoint"), "/srv/data");
    EXPECT_EQ(get<std::string>("State"), "unlocked");
    EXPECT_FALSE(mounted()) << "it is open, and what is written to /srv/data goes elsewhere";
    EXPECT_TRUE(mountedBy("21 20 254:3 / /srv/data rw - ext4 /dev/mapper/luks2-u-data rw\n"));
    EXPECT_TRUE(mountedBy("21 20 0:40 /sub /srv/data rw - btrfs /dev/mapper/luks2-u-data rw\n"));
    EXPECT_FALSE(mountedBy("21 20 254:3 / /srv/other rw - ext4 /dev/mapper/luks2-u-data rw\n"));
    EXPECT_FALSE(mountedBy("21 20 254:7 / /srv/data rw - ext4 /dev/mapper/luks2-u-data rw\n"));
}

TEST_F(Status, AMountThatNobodyReachesIsNone) {
    mounts("");
    start();
    const std::string ours = "21 20 254:3 / /srv/data rw - ext4 /dev/mapper/luks2-u-data rw\n";
    EXPECT_FALSE(mountedBy(ours + "22 21 0:9 / /srv/data rw - tmpfs tmpfs rw\n"));
    EXPECT_FALSE(mountedBy(ours + "22 20 8:2 / /srv rw - ext4 /dev/sda2 rw\n"));
}

// umount(8) asks nobody.
TEST_F(Status, AMountByHandIsNoticed) {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    const std::string where = daemon_.folder().file("mnt");
    std::filesystem::create_directories(where);
    std::filesystem::create_directories(daemon_.root());
    std::filesystem::create_directory_symlink("/proc", daemon_.root() + "/proc");
    daemon_.configure("data.yaml",
                      "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n"
                      "volume: {device: /dev/nonexistent-data}\n"
                      "mount: {where: " +
                          where +
                          "}\nfilesystem: {type: btrfs}\n"
                          "encryption: {keys: [{slot: 0, nodeID: {}}]}\n");
    start();
    EXPECT_FALSE(mounted());
    // Like btrfs, tmpfs has no device number of its own.
    ASSERT_EQ(::mount("/dev/mapper/luks2-u-data", where.c_str(), "tmpfs", 0, nullptr), 0);
    EXPECT_TRUE(client_.waitFor([&] { return mounted(); }));
    EXPECT_TRUE(client_.waitFor([&] { return client_.changes().contains(data_); }));
    ASSERT_EQ(::umount(where.c_str()), 0);
    EXPECT_TRUE(client_.waitFor([&] { return !mounted(); }));
}

TEST_F(Status, AMountUnitThatFailedIsShown) {
    const auto systemd =
        sdbus::createSystemBusConnection(bus::ServiceName("org.freedesktop.systemd1"));
    ServedObject unit(*systemd, kUnitPath);
    std::string state = "failed";
    constexpr const char *kUnit = "org.freedesktop.systemd1.Unit";
    unit.property(kUnit, "ActiveState", [&] { return state; });
    unit.publish();
    systemd->enterEventLoopAsync();
    start();
    EXPECT_TRUE(client_.waitFor([&] { return !get<std::string>("MountFailure").empty(); }));
    EXPECT_EQ(get<std::string>("MountFailure"),
              "srv-data.mount failed\nSee `journalctl -b -u 'srv-data.mount'`.");
    state = "active";
    unit.object().emitPropertiesChangedSignal(kUnit, bus::properties({"ActiveState"}));
    EXPECT_TRUE(client_.waitFor([&] { return get<std::string>("MountFailure").empty(); }));
    systemd->leaveEventLoop();
}

TEST_F(Status, AKeyIsOkOnceItWasTested) {
    daemon_.script("sync",
                   R"(result ',"keys":[{"slot":0,"health":"ok"},{"slot":5,"health":"ok"}]')");
    start();
    EXPECT_THAT(health(), ElementsAre("unverified", "unverified", "unverified"));
    EXPECT_TRUE(sync().success);
    EXPECT_THAT(health(), ElementsAre("ok", "unverified", "unverified"))
        << "of a slot that nobody recorded it is not known whether it was changed since";
    EXPECT_FALSE(get<bool>("Degraded"));
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    EXPECT_THAT(health(), ElementsAre("unverified", "unverified", "unverified"))
        << "another passphrase may be declared now";
}

TEST_F(Status, AKeyThatWasSeenNotToOpenIsNotOk) {
    daemon_.script("sync",
                   R"(printf '{"type":"error","verb":"sync","volume":"u-data",)"
                   R"("code":"NoUsableKey","message":"no key","hint":"",)"
                   R"("keys":[{"slot":0,"health":"stale"},{"slot":1,"health":"ok"}]}\n'; exit 1)");
    start();
    EXPECT_FALSE(sync().success);
    EXPECT_THAT(health(), ElementsAre("stale", "ok", "unverified"));
    EXPECT_TRUE(get<bool>("Degraded"));
    daemon_.script("plan", R"(result ',"steps":[],"keys":[{"slot":0,"health":"ok"}]')");
    std::vector<Options> steps;
    ASSERT_EQ(client_.get(steps, data_, kVolume, "Plan"), "");
    EXPECT_THAT(health(), ElementsAre("ok", "ok", "unverified"));
    EXPECT_FALSE(get<bool>("Degraded"));
}

TEST_F(Status, WhatAnInspectionSeesCountsMoreThanAnOldTest) {
    daemon_.script("sync", R"(result ',"keys":[{"slot":0,"health":"ok"}]')");
    start();
    EXPECT_TRUE(sync().success);
    daemon_.script("inspect", inspected("stale"));
    daemon_.script("sync", "result");
    EXPECT_TRUE(sync().success);
    EXPECT_THAT(health(), ElementsAre("stale", "unverified", "unverified"));
}

TEST_F(Status, ARefusedRequestIsNoLastError) {
    start();
    for (const char *code : {"SlotInUse", "LastKey", "NotFound", "InvalidConfig", "Busy"}) {
        daemon_.script("remove-key", std::string("error ") + code + " refused");
        EXPECT_EQ(client_.call(data_, kVolume, "RemoveKey", 1U, Options()), code);
        EXPECT_EQ(lastError(), "") << code;
    }
    daemon_.script("sync", "error Busy 'somebody else is at work'");
    EXPECT_FALSE(sync().success);
    daemon_.script("sync", "error KeyRejected 'the given secret opens none'");
    EXPECT_FALSE(sync().success);
    EXPECT_EQ(client_.call(data_, kVolume, "Unlock", Options{{"nonsense", sdbus::Variant(true)}}),
              "org.freedesktop.DBus.Error.InvalidArgs");
    EXPECT_EQ(lastError(), "");
    daemon_.script("remove-key", "error Io 'the disk does not answer'");
    EXPECT_EQ(client_.call(data_, kVolume, "RemoveKey", 1U, Options()), "Io");
    EXPECT_EQ(lastError(), "Io");
}

// To unlock what is unlocked shows nothing of the keys.
TEST_F(Status, OnlyASuccessThatConcernsItEndsAnError) {
    daemon_.script("sync", "error SlotInUse 'slot 1 holds a key that is not ours'");
    start();
    EXPECT_FALSE(sync().success);
    EXPECT_EQ(lastError(), "SlotInUse");
    EXPECT_EQ(unlock(), "");
    EXPECT_EQ(lastError(), "SlotInUse");
    daemon_.script("sync", "result");
    EXPECT_TRUE(sync().success);
    EXPECT_EQ(lastError(), "");
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// What Plan and Apply say and do of mounts, with systemd: changed options, btrfs, and what else is
// mounted in a volume's place.
#include <algorithm>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apply_machine.h"

namespace volumecrypt::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char *kWhere = "/var/mnt/a";
constexpr const char *kUnit = "var-mnt-a.mount";
constexpr const char *kWaits =
    "units: its mount unit is made anew: what changed in it waits until the volume is mounted the "
    "next time";

class ApplyMounts : public ApplyMachine {
  protected:
    void SetUp() override {
        useSystemd();
        ApplyMachine::SetUp();
    }
    // u-a is unlocked and mounted, as `more` has it.
    void begin(const std::string &more) {
        declare("a", more);
        daemon_.folder().write("script/state-u-a", "unlocked");
        map("u-a");
        systemd_->generate();
        systemd_->activate("volumecrypt@u-a.service");
        systemd_->mount(kUnit);
        daemon_.start();
        client_.listen();
    }
    static std::string options(const std::string &list) {
        return "mount: {where: /var/mnt/a, options: [" + list + "]}";
    }
    Finished apply() {
        Marks ignored;
        systemd_->forgetCalls();
        return ApplyMachine::apply(ignored);
    }
    [[nodiscard]] bool remounted() const {
        const auto calls = systemd_->calls();
        return std::find(calls.begin(), calls.end(), std::string("reload ") + kUnit) != calls.end();
    }
};

TEST_F(ApplyMounts, ChangedFlagsComeByARemount) {
    begin(options("noatime"));
    EXPECT_THAT(stepsOf("u-a"), IsEmpty());
    declare("a", options("noatime, noexec, dev"));
    EXPECT_THAT(stepsOf("u-a"), ElementsAre("remount: it will be remounted with dev,noexec"));
    EXPECT_TRUE(apply().success);
    EXPECT_THAT(resultsOf("u-a"), ElementsAre("remount: remounted with dev,noexec"));
    EXPECT_EQ(systemd_->mountedWith(kWhere), "rw,nosuid,noexec,noatime");
    const auto calls = systemd_->calls();
    ASSERT_GE(calls.size(), 2U);
    EXPECT_EQ(calls[0], "reload") << "the unit is made anew before it is used";
    EXPECT_EQ(calls[1], std::string("reload ") + kUnit);
    EXPECT_THAT(stepsOf("u-a"), IsEmpty());
}

TEST_F(ApplyMounts, AReloadOfSystemdInBetweenHidesNothing) {
    begin(options("noexec"));
    declare("a", options(""));
    systemd_->generate();
    EXPECT_THAT(stepsOf("u-a"), ElementsAre("remount: it will be remounted with exec"));
    EXPECT_TRUE(apply().success);
    EXPECT_EQ(systemd_->mountedWith(kWhere), "rw,nosuid,nodev,relatime");
}

TEST_F(ApplyMounts, WhatHoldsAlreadyWaitsForNothing) {
    begin(options("ro"));
    daemon_.folder().write("root/proc/1/mountinfo",
                           "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                           "21 20 252:97 / /var/mnt/a rw,nosuid,nodev - xfs /dev/dm-7 rw\n");
    declare("a", options(""));
    EXPECT_THAT(stepsOf("u-a"), ElementsAre("units: its units are made anew"));
}

TEST_F(ApplyMounts, OptionsOfTheFileSystemWait) {
    begin(options(""));
    declare("a", options("commit=5"));
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(kWaits));
    EXPECT_TRUE(apply().success);
    EXPECT_THAT(resultsOf("u-a"), ElementsAre(kWaits));
    EXPECT_FALSE(remounted());
    EXPECT_THAT(stepsOf("u-a"), IsEmpty());
}

TEST_F(ApplyMounts, AccessTimesOfWhichNothingIsSaidAnyMoreWait) {
    begin(options("noatime"));
    declare("a", options(""));
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(kWaits));
    EXPECT_TRUE(apply().success);
    EXPECT_THAT(stepsOf("u-a"), IsEmpty());
}

TEST_F(ApplyMounts, WhatWaitsIsToldBesideARemount) {
    begin(options(""));
    declare("a", options("noexec, commit=5"));
    EXPECT_THAT(stepsOf("u-a"),
                UnorderedElementsAre("remount: it will be remounted with noexec", kWaits));
    EXPECT_TRUE(apply().success);
    EXPECT_THAT(resultsOf("u-a"), UnorderedElementsAre("remount: remounted with noexec", kWaits));
}

TEST_F(ApplyMounts, ARemountThatFailsIsSaid) {
    begin(options(""));
    declare("a", options("ro"));
    systemd_->fail(std::string("reload ") + kUnit);
    EXPECT_FALSE(apply().success);
    EXPECT_THAT(resultsOf("u-a"),
                Contains(HasSubstr("fail: it could not be remounted with ro: systemd's job for "
                                   "var-mnt-a.mount ended with \"failed\"\nSee `journalctl -u")));
}

TEST_F(ApplyMounts, WhatTheKernelMadeReadOnlyIsLeft) {
    begin(options(""));
    declare("a", options("noexec"));
    daemon_.folder().write("root/proc/1/mountinfo",
                           "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                           "21 20 252:97 / /var/mnt/a rw,nosuid,nodev - xfs /dev/dm-7 ro\n");
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(kWaits));
}

TEST_F(ApplyMounts, AnAdministratorsOwnUnitIsLeft) {
    begin(options(""));
    declare("a", options("noexec"));
    daemon_.folder().write("root/etc/systemd/system/var-mnt-a.mount.d/own.conf", "[Mount]\n");
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(kWaits));
}

TEST_F(ApplyMounts, AnotherTypeWaits) {
    begin("filesystem: {type: ext4}\n" + options(""));
    declare("a", "filesystem: {type: xfs}\n" + options("noexec"));
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(kWaits));
}

// The kernel gives it a number that is no device's.
TEST_F(ApplyMounts, BtrfsIsKnownByItsSource) {
    begin("filesystem: {type: btrfs}");
    EXPECT_THAT(stepsOf("u-a"), IsEmpty()) << "it is mounted";
    systemd_->mountOther("/opt/by-hand", "/dev/mapper/luks2-u-a", "0:99");
    daemon_.unconfigure("a.yaml");
    EXPECT_TRUE(apply().success);
    const auto calls = systemd_->calls();
    ASSERT_GE(calls.size(), 3U);
    EXPECT_EQ(calls[0], "stop opt-by\\x2dhand.mount") << "it would keep the volume in use";
    EXPECT_EQ(calls[1], std::string("stop ") + kUnit);
    EXPECT_EQ(calls[2], "stop volumecrypt@u-a.service");
}

TEST_F(ApplyMounts, WhatIsMountedInItsPlaceIsSaid) {
    declare("a", options(""));
    systemd_->generate();
    systemd_->mountOther(kWhere, "/dev/sdz1");
    daemon_.start();
    client_.listen();
    constexpr const char *kTold = "it cannot be mounted: /dev/sdz1 is mounted on /var/mnt/a";
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(HasSubstr(kTold), "unlock: it is locked"));
    EXPECT_FALSE(apply().success);
    EXPECT_THAT(resultsOf("u-a"), ElementsAre(HasSubstr(kTold), "unlock: unlocked"));
    // The same from then on, however often.
    EXPECT_THAT(stepsOf("u-a"), ElementsAre(HasSubstr(kTold)));
    EXPECT_FALSE(apply().success);
}

// What lies there when the plan is made is gone when it is needed.
TEST_F(ApplyMounts, PlacesMayBeExchanged) {
    const auto at = [](const std::string &name) { return "mount: {where: /srv/" + name + "}"; };
    for (const auto &[name, where] : {std::pair("a", "1"), std::pair("b", "2")}) {
        const std::string id = std::string("u-") + name;
        declare(name, at(where));
        daemon_.folder().write("script/state-" + id, "unlocked");
        map(id);
        systemd_->activate("volumecrypt@" + id + ".service");
    }
    systemd_->generate();
    systemd_->mount("srv-1.mount");
    systemd_->mount("srv-2.mount");
    daemon_.start();
    client_.listen();
    EXPECT_THAT(plan(), IsEmpty());
    declare("a", at("2"));
    declare("b", at("1"));
    const Marks foreseen = plan();
    EXPECT_THAT(foreseen, IsSupersetOf({std::pair<std::string, std::string>("u-a", "unmount"),
                                        {"u-a", "mount"},
                                        {"u-b", "unmount"},
                                        {"u-b", "mount"}}));
    Marks done;
    EXPECT_TRUE(ApplyMachine::apply(done).success);
    EXPECT_EQ(done, foreseen);
    EXPECT_THAT(plan(), IsEmpty());
}

// The service's sandbox puts a mount of its own over /home.
TEST_F(ApplyMounts, ASandboxHidesNoMount) {
    begin(options(""));
    daemon_.folder().write("root/proc/self/mountinfo",
                           "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                           "21 20 252:97 / /var/mnt/a ro - xfs /dev/dm-7 rw\n"
                           "22 21 8:1 /var/mnt/a /var/mnt/a ro - ext4 /dev/sda1 rw\n");
    EXPECT_THAT(stepsOf("u-a"), IsEmpty());
    EXPECT_TRUE(apply().success);
    EXPECT_TRUE(client_.property<bool>(volumePath("u-a"), kVolume, "Mounted"));
}

// As after an attach by systemd: the header is locked, until that unit has ended.
TEST_F(ApplyMounts, ASyncUnitAtWorkIsWaitedFor) {
    begin(options(""));
    daemon_.folder().write("script/busy", "");
    daemon_.script("sync",
                   R"([ -e "$SCRIPTS/busy" ] && { rm "$SCRIPTS/busy"; error Busy "at work"; }
        result ',"steps":[]')");
    EXPECT_TRUE(apply().success);
    EXPECT_THAT(resultsOf("u-a"), IsEmpty());
    EXPECT_THAT(systemd_->calls(), Contains("start volumecrypt-sync@u-a.service"));
}

TEST_F(ApplyMounts, DefaultsChangeNothing) {
    begin(options("defaults"));
    EXPECT_THAT(stepsOf("u-a"), IsEmpty());
}

TEST_F(ApplyMounts, NothingIsRemountedBelowWhatIsTakenAway) {
    declare("b", "mount: {where: /var/mnt/a/b, options: []}");
    daemon_.folder().write("script/state-u-b", "unlocked");
    map("u-b");
    systemd_->activate("volumecrypt@u-b.service");
    begin(options(""));
    systemd_->mount("var-mnt-a-b.mount");
    declare("a", "mount: {where: /var/mnt/elsewhere, options: []}");
    declare("b", "mount: {where: /var/mnt/a/b, options: [noexec]}");
    EXPECT_THAT(stepsOf("u-b"), Not(Contains(HasSubstr("remount"))));
    EXPECT_THAT(stepsOf("u-b"), Contains(HasSubstr("mount: ")));
}

TEST_F(ApplyMounts, OfOneVolumeForgetsNoOther) {
    declare("b", "mount: {where: /var/mnt/b, options: []}");
    begin(options(""));
    declare("a", "mount: {where: /var/mnt/elsewhere, options: []}");
    declare("b", "mount: {where: /var/mnt/b, options: [commit=5]}");
    systemd_->forgetCalls();
    Marks marks;
    const auto end = ApplyMachine::apply(marks, {{"volume", sdbus::Variant(std::string("u-b"))}});
    EXPECT_EQ(end.error, "org.example.VolumeCrypt.Error.Busy");
    EXPECT_THAT(end.message, HasSubstr("other volumes left the configuration"));
    EXPECT_THAT(systemd_->calls(), Not(Contains("reload")));
    EXPECT_TRUE(apply().success);
    EXPECT_THAT(resultsOf("u-a"), Contains(HasSubstr("unmount: ")));
}

}  // namespace
}  // namespace volumecrypt::test

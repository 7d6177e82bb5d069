// SPDX-License-Identifier: Apache-2.0
// Declared mount options against the kernel's, and mount units against each other.
#include "daemon/mount_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace volumecrypt::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MountFlags, NothingDiffers) {
    EXPECT_THAT(*flagsToChange({}, "rw,relatime"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"nodev", "nosuid"}, "rw,nosuid,nodev,relatime"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"defaults", "nofail", "commit=5"}, "rw,relatime"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"ro", "noatime"}, "ro,noatime"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"strictatime"}, "rw"), IsEmpty());
}

TEST(MountFlags, TellsWhatDiffers) {
    EXPECT_THAT(*flagsToChange({"ro", "noexec"}, "rw,nosuid,relatime"),
                ElementsAre("ro", "suid", "noexec"));
    EXPECT_THAT(*flagsToChange({}, "ro,nodev"), ElementsAre("rw", "dev"));
    EXPECT_THAT(*flagsToChange({"noatime"}, "rw,relatime"), ElementsAre("noatime"));
    EXPECT_THAT(*flagsToChange({"relatime"}, "rw,noatime"), ElementsAre("relatime"));
    EXPECT_THAT(*flagsToChange({"strictatime"}, "rw,relatime"), ElementsAre("strictatime"));
}

TEST(MountFlags, TheLastOneCounts) {
    EXPECT_THAT(*flagsToChange({"nodev", "dev"}, "rw"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"nodev", "defaults"}, "rw"), ElementsAre("nodev"));
    EXPECT_THAT(*flagsToChange({"nodev", "nosuid", "defaults"}, "rw,nodev,nosuid"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"dev", "nodev"}, "rw"), ElementsAre("nodev"));
    // Of several words for access times the kernel chooses.
    EXPECT_THAT(*flagsToChange({"noatime", "relatime"}, "rw,noatime"), IsEmpty());
    EXPECT_THAT(*flagsToChange({"noatime", "relatime"}, "rw,relatime"), IsEmpty());
}

TEST(MountFlags, ARemountKeepsAccessTimesOfWhichNothingIsSaid) {
    EXPECT_THAT(*flagsToChange({}, "rw,noatime"), IsEmpty());
}

TEST(MountFlags, WhatImpliesOthersIsLeftAlone) {
    for (const char *option : {"user", "users", "owner", "group", "bind"})
        EXPECT_FALSE(flagsToChange({option, "ro"}, "rw")) << option;
}

constexpr const char *kUnitText =
    "[Unit]\nAfter=a.service\nAfter=b.service\n\n[Mount]\nWhat=/dev/x\nWhere=/srv\nType=ext4\n";

MountUnitChange compare(const std::string &before, const std::string &after) {
    return compareMountUnits(kUnitText + before, kUnitText + after);
}

TEST(MountUnits, AreTheSameButForFlags) {
    EXPECT_EQ(compare("Options=nodev,nofail\n", "Options=noexec,nofail\n"), MountUnitChange::Flags);
    EXPECT_EQ(compare("", "Options=ro\n"), MountUnitChange::Flags);
    EXPECT_EQ(compare("Options=noatime\n", "Options=relatime\n"), MountUnitChange::Flags);
}

TEST(MountUnits, DifferInMore) {
    EXPECT_EQ(compare("Options=nodev\n", "Options=nodev,commit=5\n"), MountUnitChange::Other);
    EXPECT_EQ(compare("Options=noatime\n", ""), MountUnitChange::Other) << "a remount keeps it";
    EXPECT_EQ(compare("Options=nodev\n", "Options=dev\nSloppyOptions=yes\n"),
              MountUnitChange::Other);
    EXPECT_EQ(compareMountUnits("[Unit]\nAfter=a\nAfter=b\n", "[Unit]\nAfter=a\nAfter=c\n"),
              MountUnitChange::Other);
}

TEST(MountUnits, MountSomethingElse) {
    for (const auto &[line, other] : {std::pair("What=/dev/x", "What=/dev/y"),
                                      {"Where=/srv", "Where=/srv/a"},
                                      {"Type=ext4", "Type=xfs"}}) {
        std::string after = kUnitText;
        after.replace(after.find(line), std::string(line).size(), other);
        EXPECT_EQ(compareMountUnits(kUnitText, after), MountUnitChange::Content) << other;
    }
    EXPECT_EQ(compareMountUnits("", kUnitText), MountUnitChange::Content);
}

}  // namespace
}  // namespace volumecrypt::daemon

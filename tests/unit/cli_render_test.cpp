// SPDX-License-Identifier: Apache-2.0
// What the showing commands print, and how D-Bus errors read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/client_error.h"
#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Style kPlain{};
constexpr Style kTerminal{.terminal = true, .colour = false};
constexpr Style kColour{.terminal = true, .colour = true};

VolumeInfo unlocked() {
    VolumeInfo volume;
    volume.id = "u-data";
    volume.kind = "user";
    volume.device = "/dev/vda3";
    volume.mapping = "/dev/mapper/luks2-u-data";
    volume.state = "unlocked";
    volume.pinned = true;
    volume.uuid = "0a1b";
    volume.cipher = "aes-xts-plain64";
    volume.mountPoint = "/var/mnt/data";
    volume.mounted = true;
    volume.unlockedBy = 0;
    volume.slots = {{0, "nodeID", true, false, "ok"}, {7, "unknown", false, true, "unverified"}};
    return volume;
}

VolumeInfo broken() {
    VolumeInfo volume;
    volume.id = "STATE";
    volume.kind = "state";
    volume.state = "locked";
    volume.degraded = true;
    volume.failedSyncs = {{3, "KMS not reachable"}};
    volume.warnings = {{"InvalidConfig", "another cipher"}};
    volume.errorCode = "NoUsableKey";
    volume.errorMessage = "no declared key opens it";
    volume.errorHint = "give one that does";
    return volume;
}

TEST(CliRender, ListIsOneLineAVolume) {
    EXPECT_EQ(renderList({broken(), unlocked()}, kPlain),
              "STATE\tlocked\tdegraded\t-\t-\t-\n"
              "u-data\tunlocked\tok\t/dev/vda3\t/var/mnt/data\tyes\n");
    EXPECT_EQ(renderList({}, kPlain), "");
    EXPECT_THAT(renderList({}, kTerminal), HasSubstr("volumecrypt.yaml(5)"));
}

TEST(CliRender, ListSaysOkOnlyOfWhatIs) {
    VolumeInfo failed = unlocked();
    failed.state = "locked";
    failed.mounted = false;
    failed.errorCode = "ForeignVolume";
    VolumeInfo vanished = failed;
    vanished.state = "blank";
    VolumeInfo blank = unlocked();
    blank.state = "blank";
    blank.mounted = false;
    blank.pinned = false;
    VolumeInfo foreign = blank;
    foreign.state = "foreign";
    EXPECT_EQ(renderList({failed, vanished, blank, foreign}, kPlain),
              "u-data\tlocked\tfailed\t/dev/vda3\t/var/mnt/data\tno\n"
              "u-data\tblank\tvanished\t/dev/vda3\t/var/mnt/data\tno\n"
              "u-data\tblank\t-\t/dev/vda3\t/var/mnt/data\tno\n"
              "u-data\tforeign\t-\t/dev/vda3\t/var/mnt/data\tno\n");
}

TEST(CliRender, ListOnATerminalIsATable) {
    EXPECT_EQ(renderList({unlocked()}, kTerminal),
              "VOLUME  STATE     KEYS  DEVICE     MOUNT POINT    MOUNTED\n"
              "u-data  unlocked  ok    /dev/vda3  /var/mnt/data  yes\n");
}

// Whoever reads "ok /srv/x" takes what he writes there to be encrypted.
TEST(CliRender, AnUnlockedVolumeThatIsNotMountedIsShownSo) {
    VolumeInfo volume = unlocked();
    volume.mounted = false;
    EXPECT_EQ(renderList({volume}, kPlain), "u-data\tunlocked\tok\t/dev/vda3\t/var/mnt/data\tno\n");
    EXPECT_THAT(renderVolume(volume, kPlain), HasSubstr("\nMounted=no\n"));
    EXPECT_THAT(renderVolume(volume, kTerminal),
                HasSubstr("  Mount point: /var/mnt/data (not mounted)\n"));
    EXPECT_EQ(toJson(volume).at("mounted"), false);
    EXPECT_EQ(toJson(volume).at("mountFailure"), nullptr);
}

TEST(CliRender, AFailedMountUnitIsShown) {
    VolumeInfo volume = unlocked();
    volume.mounted = false;
    volume.mountFailure = "var-mnt-data.mount failed";
    volume.mountFailureHint = "see `journalctl`";
    EXPECT_THAT(renderList({volume}, kPlain), HasSubstr("/var/mnt/data\tfailed\n"));
    EXPECT_THAT(renderVolume(volume, kPlain),
                HasSubstr("Mounted=no\nMountFailure=var-mnt-data.mount failed\n"));
    EXPECT_THAT(renderVolume(volume, kTerminal),
                HasSubstr("  Mount:       var-mnt-data.mount failed\n"
                          "  Hint:        see `journalctl`\n"));
    EXPECT_EQ(toJson(volume).at("mountFailure").at("hint"), "see `journalctl`");
}

TEST(CliRender, KeysAreOkOnlyWhenEachWasTested) {
    VolumeInfo volume = unlocked();
    volume.slots.push_back({1, "static", true, false, "unverified"});
    EXPECT_THAT(renderList({volume}, kPlain), HasSubstr("unlocked\tnot tested\t"));
    EXPECT_THAT(renderSlots(volume, kPlain), HasSubstr("1\tstatic\tmanaged\tnot tested\t-\n"));
    volume.slots.clear();
    EXPECT_THAT(renderList({volume}, kPlain), HasSubstr("unlocked\tnot tested\t"));
    volume.state = "plain";
    EXPECT_THAT(renderList({volume}, kPlain), HasSubstr("plain\t-\t"));
}

TEST(CliRender, StatusLinesAreKeysAndValues) {
    EXPECT_EQ(renderVolume(unlocked(), kPlain),
              "Id=u-data\nKind=user\nState=unlocked\nDegraded=no\nDevice=/dev/vda3\n"
              "Mapping=/dev/mapper/luks2-u-data\nMountPoint=/var/mnt/data\nMounted=yes\nUuid=0a1b\n"
              "Cipher=aes-xts-plain64\nPinned=yes\nUnlockedBySlot=0\n"
              "KeySlot=0 nodeID managed ok\n"
              "KeySlot=7 unknown unmanaged unverified locked-to-state\nLastError=\n");
    EXPECT_THAT(
        renderVolume(broken(), kPlain),
        HasSubstr("FailedSync=3 KMS not reachable\nWarning=InvalidConfig: another cipher\n"
                  "LastError=NoUsableKey: no declared key opens it\nHint=give one that does\n"));
}

TEST(CliRender, StatusOnATerminalLeavesOutWhatIsNotThere) {
    const std::string text = renderVolume(broken(), kTerminal);
    EXPECT_THAT(text, HasSubstr("STATE (state volume)\n  State:       locked, degraded\n"));
    EXPECT_THAT(text, HasSubstr("  Not in sync: slot 3: KMS not reachable\n"));
    EXPECT_THAT(text, HasSubstr("  Warning:     another cipher\n"));
    EXPECT_THAT(text, HasSubstr("opens it\n  Hint:        give one that does\n"));
    EXPECT_THAT(text, Not(HasSubstr("Mapping")));
    EXPECT_THAT(text, Not(HasSubstr("SLOT")));
    EXPECT_THAT(renderVolume(unlocked(), kTerminal), HasSubstr("  Unlocked by: slot 0 (nodeID)\n"));
}

TEST(CliRender, HostileTextStaysOnItsLine) {
    VolumeInfo volume = unlocked();
    volume.device = "/dev/\033[31mx\nDegraded=no";
    for (const Style &style : {kPlain, kTerminal, kColour}) {
        EXPECT_THAT(renderVolume(volume, style), HasSubstr("/dev/\\x1b[31mx\\x0aDegraded=no\n"));
        EXPECT_THAT(renderList({volume}, style), HasSubstr("\\x1b[31mx\\x0aDegraded=no"));
    }
}

TEST(CliRender, ServiceNamesWhereTheConfigurationIsWrong) {
    ServiceInfo service{"0.1.0",
                        true,
                        {{"/etc/a.yaml", 3, 7, "InvalidConfig", "slot 32"},
                         {"/etc/b.yaml", 0, 0, "Io", "cannot be read"}}};
    EXPECT_EQ(renderService(service, kPlain),
              "Version=0.1.0\nTpmPresent=yes\nConfigError=/etc/a.yaml:3:7: slot 32\n"
              "ConfigError=/etc/b.yaml: cannot be read\n");
    EXPECT_THAT(renderService(service, kTerminal),
                HasSubstr("VolumeCrypt 0.1.0, TPM 2.0 present\n/etc/a.yaml:3:7: slot 32\n"));
}

TEST(CliRender, APlanIsADiffWithReasons) {
    const VolumePlan plan{"u-data",
                          {{"keep", 0, "nodeID", "as declared"},
                           {"replace", 1, "static", "the passphrase changed"},
                           {"refuse", std::nullopt, "", "no key"}}};
    EXPECT_EQ(renderPlans({plan}, kPlain),
              "u-data\tkeep\t0\tnodeID\tas declared\n"
              "u-data\treplace\t1\tstatic\tthe passphrase changed\n"
              "u-data\trefuse\t-\t-\tno key\n");
    EXPECT_EQ(renderPlans({plan}, kTerminal),
              "u-data: 2 steps\n"
              "     STEP     SLOT  KIND    REASON\n"
              "     keep     0     nodeID  as declared\n"
              "  ~  replace  1     static  the passphrase changed\n"
              "  !  refuse   -     -       no key\n");
    EXPECT_EQ(renderPlans({{"STATE", {}}}, kTerminal), "STATE: nothing to do\n");
}

TEST(CliRender, WhatApplyDidOrLeft) {
    const JobResult kept{.volume = "u-data",
                         .action = "keep",
                         .text = "stays locked, as Lock was called",
                         .hint = {}};
    EXPECT_EQ(renderResult(kept, kPlain), "u-data\tkeep\tstays locked, as Lock was called\n");
    EXPECT_EQ(renderResult(kept, kTerminal), "  u-data: stays locked, as Lock was called\n");
    const JobResult locked{.volume = "u-old",
                           .action = "lock",
                           .text = "locked, as it left the configuration",
                           .hint = {}};
    EXPECT_EQ(renderResult(locked, kTerminal), "- u-old: locked, as it left the configuration\n");
}

TEST(CliRender, ErrorsNameTheVolumeOnceAndHintBelow) {
    base::Error error;
    error.code = base::ErrorCode::Busy;
    error.message = "in use by 2 mounts";
    error.hint = "unmount them";
    EXPECT_EQ(renderError("u-data", error, kPlain),
              "volumecryptctl: u-data: in use by 2 mounts\nhint: unmount them\n");
    error.message = "volume u-data (/dev/vda3) is blank";
    EXPECT_EQ(renderError("u-data", error, kPlain),
              "volumecryptctl: volume u-data (/dev/vda3) is blank\nhint: unmount them\n");
    error.message = "u-data: in use\nby x";
    error.hint.clear();
    EXPECT_EQ(renderError("u-data", error, kPlain), "volumecryptctl: u-data: in use\\x0aby x\n");
    EXPECT_EQ(renderError("", error, kPlain), "volumecryptctl: u-data: in use\\x0aby x\n");
}

TEST(CliRender, JobsTellHowTheyEnded) {
    JobInfo job;
    job.number = "7";
    job.operation = "sync";
    job.volume = "u-data";
    job.startedAt = 1'700'000'000'000'000;
    EXPECT_THAT(renderJobs({job}, kPlain),
                ::testing::MatchesRegex("7\tsync\tu-data\t-\t[^\t]+\t0\trunning\t.*\t-\n"));
    job.finishedAt = job.startedAt + 90'000'000;
    job.message = "added slot 1 (static)";
    EXPECT_THAT(renderJobs({job}, kPlain),
                ::testing::EndsWith("\tdone\t90 s\tadded slot 1 (static)\n"));
    job.error = "Cancelled";
    job.message = "it was stopped\ngo on";
    EXPECT_THAT(renderJobs({job}, kPlain),
                ::testing::EndsWith("\tCancelled\t90 s\tit was stopped\n"));
}

TEST(CliRender, EventsAreOneLine) {
    Event event;
    event.volume = "u-data";
    event.what = "changed";
    event.values = {{"State", "un\nlocked"}, {"Degraded", false}, {"Uuid", nullptr}};
    EXPECT_THAT(
        renderEvent(event, kPlain),
        ::testing::EndsWith("\tu-data\tchanged\tState=un\\x0alocked\tDegraded=false\tUuid\n"));
    event.volume.clear();
    event.job = "7";
    event.operation = "sync of u-data";
    event.values = {{"Degraded", true}};
    event.old = {{"Degraded", false}};
    EXPECT_THAT(
        renderEvent(event, kPlain),
        ::testing::EndsWith("\tjob 7\tchanged\tDegraded=true (was false)\t(sync of u-data)\n"));
}

TEST(CliJson, VolumesHaveTheEnginesNames) {
    const auto json = toJson(unlocked());
    EXPECT_EQ(json["volume"], "u-data");
    EXPECT_EQ(json["unlockedBySlot"], 0);
    EXPECT_EQ(json["slots"][1]["lockedToState"], true);
    EXPECT_EQ(json["lastError"], nullptr);
    EXPECT_EQ(toJson(broken())["mapping"], nullptr);
    EXPECT_EQ(toJson(broken())["lastError"]["code"], "NoUsableKey");
    EXPECT_EQ(toJson(broken())["lastError"]["hint"], "give one that does");
}

TEST(CliJson, BytesThatAreNoUtf8AreReplaced) {
    EXPECT_EQ(jsonLine({{"a", "x\xff"}}), "{\"a\":\"x\xef\xbf\xbd\"}\n");
}

TEST(CliError, OurNamesAreOurCodes) {
    for (const auto code : base::allErrorCodes()) {
        const auto error = errorFromBus(
            "org.example.VolumeCrypt.Error." + std::string(base::errorName(code)), "what\nhint");
        EXPECT_EQ(error.code, code);
        EXPECT_EQ(error.message, "what");
        EXPECT_EQ(error.hint, "hint");
    }
    EXPECT_EQ(errorFromBus("org.example.VolumeCrypt.Error.FromTheFuture", "x").code,
              base::ErrorCode::Internal);
}

struct BusErrorCase {
    const char *name;
    base::ErrorCode code;
    int exitCode;
    const char *text;
};

class BusError : public ::testing::TestWithParam<BusErrorCase> {};

TEST_P(BusError, ReadsAsWhatAPersonCanDo) {
    const auto error = errorFromBus(GetParam().name, "detail");
    EXPECT_EQ(error.code, GetParam().code);
    EXPECT_EQ(exitCodeOf(error), GetParam().exitCode);
    EXPECT_THAT(error.message, HasSubstr(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    Cli, BusError,
    ::testing::Values(
        BusErrorCase{"org.freedesktop.DBus.Error.ServiceUnknown", base::ErrorCode::NotFound, 1,
                     "not on the bus"},
        BusErrorCase{"org.freedesktop.DBus.Error.Spawn.ChildExited", base::ErrorCode::Internal, 1,
                     "does not start: detail"},
        BusErrorCase{"org.freedesktop.systemd1.NoSuchUnit", base::ErrorCode::Internal, 1,
                     "does not start: detail"},
        BusErrorCase{"org.freedesktop.DBus.Error.AccessDenied", base::ErrorCode::NotAuthorized, 1,
                     "not authorised: detail"},
        BusErrorCase{"org.freedesktop.DBus.Error.NoReply", base::ErrorCode::Io, 75, "went away"},
        BusErrorCase{"System.Error.ECONNRESET", base::ErrorCode::Io, 75, "connection"},
        BusErrorCase{"org.freedesktop.DBus.Error.UnknownMethod", base::ErrorCode::Unsupported, 1,
                     "does not do this: detail"},
        BusErrorCase{"org.freedesktop.DBus.Error.UnknownObject", base::ErrorCode::NotFound, 1,
                     "no longer knows"},
        BusErrorCase{"org.freedesktop.DBus.Error.LimitsExceeded", base::ErrorCode::Busy, 75,
                     "takes no more: detail"},
        BusErrorCase{"org.example.VolumeCrypt.Error.Busy", base::ErrorCode::Busy, 75, "detail"},
        BusErrorCase{"org.example.VolumeCrypt.Error.LastKey", base::ErrorCode::LastKey, 1,
                     "detail"},
        BusErrorCase{"com.example.Strange", base::ErrorCode::Internal, 1, "com.example.Strange"}));

}  // namespace
}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// Jobs: progress, end, cancelling, and going on after the daemon was killed. The engine is
// scripted, since a real one neither hangs nor dies on demand.
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>

#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using Slots = std::vector<sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>>;

std::string contents(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

sdbus::UnixFd memfdWith(const std::string &text) {
    const int fd = ::memfd_create("secret", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::lseek(fd, 0, SEEK_SET);
    return {fd, sdbus::adopt_fd};
}

class Jobs : public ::testing::Test {
  protected:
    void SetUp() override {
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
        daemon_.start();
        client_.listen();
    }

    std::string startSync() {
        sdbus::ObjectPath job;
        EXPECT_EQ(client_.get(job, data_, kVolume, "Sync", Options()), "");
        return job;
    }
    std::vector<sdbus::ObjectPath> jobs() {
        std::vector<sdbus::ObjectPath> paths;
        EXPECT_EQ(client_.get(paths, kRoot, kManager, "ListJobs"), "");
        return paths;
    }
    std::string lastError() {
        const auto error =
            client_.property<sdbus::Struct<std::string, std::string>>(data_, kVolume, "LastError");
        return error.get<0>().empty() ? "" : error.get<0>() + ": " + error.get<1>();
    }
    int timesLogged(const std::string &text) const {
        int times = 0;
        const std::string log = daemon_.log();
        for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
            ++times;
        return times;
    }
    // Waits until the scripted engine has begun.
    void waitForCall(const std::string &verb) {
        ASSERT_TRUE(eventually([&] {
            return contents(daemon_.folder().file("script/calls")).find(verb + " u-data") !=
                   std::string::npos;
        }));
    }

    TestBus bus_{Polkit::Absent};
    TestDaemon daemon_{Engine::Scripted};
    Client client_;
    std::string data_ = volumePath("u-data");
};

TEST_F(Jobs, ShowWhatTheyAreAndHowFar) {
    daemon_.script("sync", R"(echo '{"type":"progress","done":25,"total":100}'
        hang)");
    const auto before = std::chrono::system_clock::now().time_since_epoch();
    const auto job = startSync();
    ASSERT_TRUE(client_.waitFor([&] { return client_.changes().contains(job); }));
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Operation"), "sync");
    EXPECT_EQ(client_.property<sdbus::ObjectPath>(job, kJob, "Volume"), data_);
    EXPECT_DOUBLE_EQ(client_.property<double>(job, kJob, "Progress"), 0.25);
    EXPECT_EQ(client_.property<std::uint64_t>(job, kJob, "BytesDone"), 25U);
    EXPECT_EQ(client_.property<std::uint64_t>(job, kJob, "BytesTotal"), 100U);
    EXPECT_EQ(client_.property<std::uint32_t>(job, kJob, "StartedByUid"), 0U);
    const auto started =
        std::chrono::microseconds(client_.property<std::uint64_t>(job, kJob, "StartedAt"));
    EXPECT_GE(started, std::chrono::duration_cast<std::chrono::microseconds>(before));
    EXPECT_LE(started, std::chrono::system_clock::now().time_since_epoch());
    EXPECT_EQ(client_.property<std::string>(job, kJob, "State"), "running");
    EXPECT_EQ(client_.property<std::uint64_t>(job, kJob, "FinishedAt"), 0U);
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Message"), "");
    EXPECT_THAT(jobs(), ::testing::ElementsAre(job));
    client_.call(job, kJob, "Cancel", Options());
}

// One that goes on where it was: what was done before says nothing of how fast it is.
TEST_F(Jobs, SayHowLongItTakesYet) {
    daemon_.script("sync", R"(echo '{"type":"progress","done":1000000000,"total":2000000000}'
        sleep 1
        echo '{"type":"progress","done":1000001000,"total":2000000000}'
        hang)");
    const auto job = startSync();
    ASSERT_TRUE(
        client_.waitFor([&] { return client_.property<std::uint64_t>(job, kJob, "Rate") != 0; }));
    const auto rate = client_.property<std::uint64_t>(job, kJob, "Rate");
    EXPECT_LE(rate, 100'000U);
    EXPECT_EQ(client_.property<std::uint64_t>(job, kJob, "SecondsLeft"), 999'999'000U / rate);
    client_.call(job, kJob, "Cancel", Options());
}

TEST_F(Jobs, StayForAWhileAfterTheirEnd) {
    daemon_.script(
        "sync", R"(result ',"steps":[{"action":"add","slot":1,"kind":"static","reason":"new"}]')");
    const auto job = startSync();
    const auto end = client_.finished(job);
    EXPECT_TRUE(end.success);
    EXPECT_EQ(end.error, "");
    EXPECT_EQ(end.message, "added slot 1 (static)");
    EXPECT_DOUBLE_EQ(client_.property<double>(job, kJob, "Progress"), 1.0);
    EXPECT_EQ(client_.property<std::string>(job, kJob, "State"), "succeeded");
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Message"), end.message);
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Error"), "");
    EXPECT_GE(client_.property<std::uint64_t>(job, kJob, "FinishedAt"),
              client_.property<std::uint64_t>(job, kJob, "StartedAt"));
    EXPECT_THAT(jobs(), ::testing::ElementsAre(job));
    EXPECT_EQ(client_.call(job, kJob, "Cancel", Options()), "");
    EXPECT_THAT(client_.added(), ::testing::Contains(job));
}

TEST_F(Jobs, FailWithTheEnginesErrorAndTheVolumeRemembersIt) {
    daemon_.script("sync", R"(error KmsUnreachable "volume u-data: kms:4050 does not answer")");
    const auto job = startSync();
    const auto end = client_.finished(job);
    EXPECT_FALSE(end.success);
    EXPECT_EQ(end.error, "org.example.VolumeCrypt.Error.KmsUnreachable");
    EXPECT_EQ(client_.property<std::string>(job, kJob, "State"), "failed");
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Error"), end.error);
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Message"), end.message);
    EXPECT_EQ(end.message, "volume u-data: kms:4050 does not answer\ntry the other");
    EXPECT_EQ(lastError(), "KmsUnreachable: " + end.message);
    daemon_.script("sync", "result");
    EXPECT_TRUE(client_.finished(startSync()).success);
    EXPECT_EQ(lastError(), "");
}

TEST_F(Jobs, AnEngineThatDiesIsAnInternalError) {
    daemon_.script("sync", "kill -9 $$");
    const auto end = client_.finished(startSync());
    EXPECT_EQ(end.error, "org.example.VolumeCrypt.Error.Internal");
    EXPECT_THAT(end.message, HasSubstr("sync of volume u-data"));
    EXPECT_THAT(end.message, HasSubstr("signal 9"));
}

// The engine has logged why it failed, and the daemon adds no second entry; one that says nothing
// is the daemon's to tell of.
TEST_F(Jobs, AFailureIsLoggedOnce) {
    daemon_.script("sync", R"(echo "volume u-data: sync failed: kms:4050 is away" >&2
        error KmsUnreachable "kms:4050 is away")");
    EXPECT_FALSE(client_.finished(startSync()).success);
    const auto apply = [&] {
        sdbus::ObjectPath job;
        EXPECT_EQ(client_.get(job, kRoot, kManager, "Apply", Options()), "");
        return client_.finished(job);
    };
    daemon_.script("inspect", R"(printf '{"type":"result","verb":"inspect","volume":"u-data",'
        printf '"state":"unlocked","changed":false}\n')");
    EXPECT_THAT(apply().message, HasSubstr("kms:4050 is away"));
    EXPECT_EQ(timesLogged("kms:4050 is away"), 2) << daemon_.log();
    EXPECT_EQ(timesLogged("sync for uid 0"), 0) << daemon_.log();
    EXPECT_EQ(timesLogged("apply for uid 0 failed: u-data: failed; try the other"), 1)
        << daemon_.log();
    daemon_.script("sync", "kill -9 $$");
    EXPECT_FALSE(client_.finished(startSync()).success);
    EXPECT_EQ(timesLogged("sync for uid 0 failed: sync of volume u-data: the engine ended"), 1)
        << daemon_.log();
}

// Also of an engine that is a part of a job; the slots that it changed are in its own entries.
TEST_F(Jobs, WarningsAndOpenEndsAreLogged) {
    daemon_.script("inspect", R"(printf '{"type":"result","verb":"inspect","volume":"u-data",'
        printf '"state":"unlocked","changed":false}\n')");
    daemon_.script("sync", R"(echo '{"type":"warning","code":"Io","message":"one copy is bad"}'
        steps='{"action":"add","slot":1,"kind":"static","reason":"it is new"}'
        steps="$steps,"'{"action":"defer","slot":2,"kind":"kms","reason":"it is away"}'
        result ",\"steps\":[$steps]")");
    sdbus::ObjectPath job;
    EXPECT_EQ(client_.get(job, kRoot, kManager, "Apply", Options()), "");
    EXPECT_TRUE(client_.finished(job).success);
    EXPECT_EQ(timesLogged("u-data: one copy is bad"), 1) << daemon_.log();
    EXPECT_EQ(timesLogged("u-data: deferred slot 2 (kms): it is away"), 1) << daemon_.log();
    EXPECT_EQ(timesLogged("it is new"), 0) << daemon_.log();
}

TEST_F(Jobs, WhatIsNoLineOfOursIsIgnored) {
    daemon_.script("sync", R"(echo 'not JSON'; echo '[1,2]'; echo '{"type":"future","x":1}'
        printf '%2000000d\n' 1
        echo '{"type":"progress","done":-1,"total":"many"}'
        result ',"future":{"a":1}')");
    EXPECT_TRUE(client_.finished(startSync()).success);
}

TEST_F(Jobs, OneOperationAtATime) {
    daemon_.script("sync", "hang");
    const auto job = startSync();
    const auto second = client_.call(data_, kVolume, "Sync", Options());
    EXPECT_EQ(second, "Busy");
    EXPECT_THAT(second.message, HasSubstr("u-data is busy with sync"));
    EXPECT_EQ(client_.call(data_, kVolume, "Unlock", Options()), "Busy");
    EXPECT_EQ(client_.call(data_, kVolume, "Plan"), "Busy");
    client_.call(job, kJob, "Cancel", Options());
    EXPECT_FALSE(client_.finished(job).success);
    daemon_.script("sync", "result");
    EXPECT_TRUE(client_.finished(startSync()).success);
}

TEST_F(Jobs, CancelStopsTheEngineAtItsSafePoint) {
    daemon_.script("sync", "hang");
    const auto job = startSync();
    waitForCall("sync");
    EXPECT_EQ(client_.call(job, kJob, "Cancel", Options()), "");
    const auto end = client_.finished(job);
    EXPECT_EQ(end.error, "org.example.VolumeCrypt.Error.Cancelled");
    EXPECT_EQ(end.message, "stopped at a safe point\ntry the other");
}

TEST_F(Jobs, GoOnWhenTheDaemonIsKilled) {
    daemon_.script("sync", R"(trap 'error Cancelled "told to stop"' TERM
        echo '{"type":"progress","done":1,"total":4}'
        until [ -e "$SCRIPTS/go" ]; do sleep 0.05; done
        result ',"steps":[{"action":"replace","slot":2,"kind":"static","reason":"changed"}]')");
    const auto job = startSync();
    waitForCall("sync");
    daemon_.kill();
    daemon_.start();
    ASSERT_THAT(jobs(), ::testing::ElementsAre(job));
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Operation"), "sync");
    EXPECT_TRUE(
        client_.waitFor([&] { return client_.property<double>(job, kJob, "Progress") == 0.25; }));
    EXPECT_EQ(client_.call(data_, kVolume, "Sync", Options()), "Busy");
    daemon_.folder().write("script/go", "");
    const auto end = client_.finished(job);
    EXPECT_TRUE(end.success) << end.message;
    EXPECT_EQ(end.message, "replaced slot 2 (static)");
}

TEST_F(Jobs, AnAdoptedOneCanBeCancelled) {
    daemon_.script("sync", "hang");
    const auto job = startSync();
    waitForCall("sync");
    daemon_.kill();
    daemon_.start();
    EXPECT_EQ(client_.call(job, kJob, "Cancel", Options()), "");
    EXPECT_EQ(client_.finished(job).error, "org.example.VolumeCrypt.Error.Cancelled");
}

TEST_F(Jobs, AnEndThatTheDaemonMissedIsTold) {
    daemon_.script("sync", R"(until [ -e "$SCRIPTS/go" ]; do sleep 0.05; done
        echo done >"$SCRIPTS/done"
        error NoSpace "no key slot is free")");
    const auto job = startSync();
    waitForCall("sync");
    daemon_.kill();
    daemon_.folder().write("script/go", "");
    ASSERT_TRUE(
        eventually([&] { return std::filesystem::exists(daemon_.folder().file("script/done")); }));
    daemon_.start();
    client_.waitFor([&] { return lastError() != ""; });
    EXPECT_EQ(lastError(), "NoSpace: no key slot is free\ntry the other");
}

TEST_F(Jobs, NumbersAreNotUsedTwice) {
    daemon_.script("sync", "result");
    const auto first = startSync();
    EXPECT_TRUE(client_.finished(first).success);
    daemon_.stop();
    daemon_.start();
    EXPECT_TRUE(jobs().empty());
    EXPECT_NE(startSync(), first);
}

TEST_F(Jobs, NothingIsLeftBehind) {
    daemon_.script("sync", "result");
    daemon_.script("plan", "result ',\"steps\":[]'");
    EXPECT_TRUE(client_.finished(startSync()).success);
    std::vector<Options> steps;
    EXPECT_EQ(client_.get(steps, data_, kVolume, "Plan"), "");
    std::vector<std::string> names;
    for (const auto &entry :
         std::filesystem::directory_iterator(daemon_.root() + "/run/volumecrypt/jobs"))
        names.push_back(entry.path().filename());
    EXPECT_THAT(names, ::testing::ElementsAre("next"));
    EXPECT_EQ(daemon_.stop(), 0);
}

TEST_F(Jobs, ASecretGoesToTheEngineAndNowhereElse) {
    daemon_.script("attach", R"(cat >"$SCRIPTS/received"
        result ',"unlockedBySlot":3')");
    const std::string secret = "correct horse battery staple";
    std::string mapping;
    const auto answer = client_.get(mapping, data_, kVolume, "Unlock",
                                    Options{{"secret", sdbus::Variant(memfdWith(secret))}});
    // The script's inspect says "locked", so this is an error; but the engine was asked.
    EXPECT_FALSE(answer.ok());
    EXPECT_EQ(contents(daemon_.folder().file("script/received")), secret);
    EXPECT_THAT(contents(daemon_.folder().file("script/calls")),
                HasSubstr("attach u-data --root " + daemon_.root()));
    EXPECT_THAT(contents(daemon_.folder().file("script/calls")),
                HasSubstr("--output json --secret-fd 0"));
    EXPECT_THAT(daemon_.log(), ::testing::Not(HasSubstr(secret)));
}

TEST_F(Jobs, AnUnlockedVolumeSaysWhichSlotOpenedIt) {
    daemon_.script("attach", R"(echo yes >"$SCRIPTS/open"
        result ',"unlockedBySlot":3')");
    daemon_.script("inspect", R"(if [ -e "$SCRIPTS/open" ]; then
        printf '{"type":"result","verb":"inspect","volume":"u-data","state":"unlocked","changed":false,"mapping":"/dev/mapper/luks2-u-data"}\n'
        else result; fi)");
    std::string mapping;
    EXPECT_EQ(client_.get(mapping, data_, kVolume, "Unlock", Options()), "");
    EXPECT_EQ(mapping, "/dev/mapper/luks2-u-data");
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "State"), "unlocked");
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "Mapping"), mapping);
    EXPECT_EQ(client_.property<std::int32_t>(data_, kVolume, "UnlockedBySlot"), 3);
    daemon_.script("detach", "rm \"$SCRIPTS/open\"\nresult");
    EXPECT_EQ(client_.call(data_, kVolume, "Lock", Options()), "");
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "State"), "locked");
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "Mapping"), "");
    EXPECT_EQ(client_.property<std::int32_t>(data_, kVolume, "UnlockedBySlot"), -1);
}

TEST_F(Jobs, FailedSyncsAreKeptUntilOneSucceeds) {
    daemon_.script("sync",
                   R"(result ',"steps":[{"action":"keep","slot":0,"kind":"static","reason":""},
{"action":"defer","slot":2,"kind":"kms","reason":"kms:4050 does not answer"}]' | tr -d '\n'; echo)");
    EXPECT_TRUE(client_.finished(startSync()).success);
    using Failed = std::vector<sdbus::Struct<std::uint32_t, std::string>>;
    const auto failed = client_.property<Failed>(data_, kVolume, "FailedSyncs");
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].get<0>(), 2U);
    EXPECT_EQ(failed[0].get<1>(), "kms:4050 does not answer");
    EXPECT_TRUE(client_.property<bool>(data_, kVolume, "Degraded"));
    daemon_.script("sync", "result ',\"steps\":[]'");
    EXPECT_TRUE(client_.finished(startSync()).success);
    EXPECT_FALSE(client_.property<bool>(data_, kVolume, "Degraded"));
}

// As an engine does that a unit started at boot, or an administrator by hand.
TEST_F(Jobs, OutcomesOfOtherEnginesAreNoticed) {
    daemon_.folder().write(
        "root/run/volumecrypt/outcome/new",
        R"({"type":"error","verb":"attach","volume":"u-data","code":"NoUsableKey","message":"no key opens u-data","hint":"","retry":false,"slot":null})");
    std::filesystem::rename(daemon_.root() + "/run/volumecrypt/outcome/new",
                            daemon_.root() + "/run/volumecrypt/outcome/u-data.attach.json");
    EXPECT_TRUE(client_.waitFor([&] { return lastError() == "NoUsableKey: no key opens u-data"; }));
    daemon_.stop();
    daemon_.start();
    EXPECT_EQ(lastError(), "NoUsableKey: no key opens u-data");
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// What the daemon does by itself about unlocking: trying again, and telling what goes with STATE.
// The engine is scripted, since a real one needs devices that fail on demand.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client.h"
#include "support/process.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// inspect: unlocked once $SCRIPTS/open-ID is there.
constexpr const char *kInspect = R"(if [ -e "$SCRIPTS/open-$volume" ]; then
    printf '{"type":"result","verb":"inspect","volume":"%s","state":"unlocked","changed":false}\n' "$volume"
    else result; fi)";

class Unlocking : public ::testing::Test {
  protected:
    void SetUp() override { daemon_.script("inspect", kInspect); }
    // As the unit at boot left it.
    void attachEnded(const std::string &id, const std::string &code, bool retry) {
        const std::string line = R"({"type":"error","verb":"attach","volume":")" + id +
                                 R"(","code":")" + code + R"(","message":"volume )" + id +
                                 R"(: no","hint":"","retry":)" + (retry ? "true" : "false") +
                                 R"(,"slot":null})";
        const std::string file =
            daemon_.folder().write("root/run/volumecrypt/outcome/new", line + "\n");
        std::filesystem::rename(file,
                                daemon_.root() + "/run/volumecrypt/outcome/" + id + ".attach.json");
    }
    [[nodiscard]] std::string calls() const {
        std::ifstream file(daemon_.folder().file("script/calls"));
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
    std::string state(const std::string &id) {
        return client_.property<std::string>(volumePath(id), kVolume, "State");
    }

    TestBus bus_{Polkit::Absent};
    TestDaemon daemon_{Engine::Scripted};
    Client client_;
};

TEST_F(Unlocking, AnAttachThatMayPassIsTriedAgain) {
    daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
    // The third of all attempts works.
    daemon_.script("attach", R"sh(echo x >>"$SCRIPTS/tries"
        [ "$(wc -l <"$SCRIPTS/tries")" -ge 2 ] && { : >"$SCRIPTS/open-$volume"; result; exit 0; }
        printf '{"type":"error","verb":"attach","volume":"u-data","code":"KmsUnreachable",'
        printf '"message":"still no","hint":"","retry":true,"slot":null}\n'
        exit 75)sh");
    // Before the daemon, as at boot.
    attachEnded("u-data", "KmsUnreachable", true);
    daemon_.start();
    client_.listen();
    EXPECT_EQ(state("u-data"), "locked");
    ASSERT_TRUE(client_.waitFor([&] { return !client_.added().empty(); }));
    const std::string job = client_.added().front();
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Operation"), "unlock");
    EXPECT_EQ(client_.property<std::uint32_t>(job, kJob, "StartedByUid"), 0U);
    EXPECT_EQ(client_.finished(job).error, "org.example.VolumeCrypt.Error.KmsUnreachable");
    EXPECT_TRUE(client_.waitFor([&] { return state("u-data") == "unlocked"; }));
    // And then no more.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    std::ifstream tries(daemon_.folder().file("script/tries"));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(tries), {}), "x\nx\n");
}

TEST_F(Unlocking, ASyncThatHadToWaitIsTriedAgain) {
    daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
    daemon_.folder().write("script/open-u-data", "");
    daemon_.script("sync", R"sh(echo x >>"$SCRIPTS/syncs"
        [ "$(wc -l <"$SCRIPTS/syncs")" -ge 2 ] && { result; exit 0; }
        printf '{"type":"error","verb":"sync","volume":"u-data","code":"KmsUnreachable",'
        printf '"message":"still no","hint":"","retry":true,"slot":null}\n'
        exit 75)sh");
    daemon_.start();
    client_.listen();
    ASSERT_EQ(state("u-data"), "unlocked");
    // As the unit at boot left it.
    const std::string file = daemon_.folder().write(
        "root/run/volumecrypt/outcome/new",
        R"({"type":"error","verb":"sync","volume":"u-data","code":"KmsUnreachable","message":"no",)"
        R"("hint":"","retry":true,"slot":null})"
        "\n");
    std::filesystem::rename(file, daemon_.root() + "/run/volumecrypt/outcome/u-data.sync.json");
    ASSERT_TRUE(client_.waitFor([&] { return client_.added().size() >= 2; }));
    EXPECT_EQ(client_.property<std::string>(client_.added().front(), kJob, "Operation"), "sync");
    EXPECT_EQ(client_.finished(client_.added().front()).error,
              "org.example.VolumeCrypt.Error.KmsUnreachable");
    EXPECT_TRUE(client_.finished(client_.added().at(1)).success);
}

TEST_F(Unlocking, OthersAreNotTriedAgain) {
    std::string manual = daemon_.userVolume("manual", {"0: first"});
    const std::string volume = "volume: {";
    manual.replace(manual.find(volume), volume.size(), "volume: {unlock: manual, ");
    daemon_.configure("volumes.yaml", daemon_.userVolume("wrong", {"0: first"}) + "---\n" +
                                          daemon_.userVolume("stopped", {"0: first"}) + "---\n" +
                                          daemon_.userVolume("locked", {"0: first"}) + "---\n" +
                                          manual);
    daemon_.script("attach", "result");
    daemon_.script("detach", "result");
    daemon_.start();
    attachEnded("u-wrong", "NoUsableKey", false);
    attachEnded("u-stopped", "Cancelled", true);
    attachEnded("u-manual", "KmsUnreachable", true);
    attachEnded("u-locked", "KmsUnreachable", true);
    EXPECT_EQ(client_.call(volumePath("u-locked"), kVolume, "Lock", Options()), "");
    std::this_thread::sleep_for(std::chrono::milliseconds(3500));
    EXPECT_THAT(calls(), Not(HasSubstr("attach ")));
}

// STATE, and volumes that hang on it and do not.
class LockOfState : public Unlocking {
  protected:
    void SetUp() override {
        Unlocking::SetUp();
        const auto withKeys = [](const std::string &name, const std::string &keys) {
            return "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
                   "\nencryption: {provider: luks2, keys: [" + keys + "]}\n---\n";
        };
        daemon_.configure("volumes.yaml",
                          withKeys("bound", "{slot: 0, nodeID: {}, lockToState: true}") +
                              withKeys("free",
                                       "{slot: 0, nodeID: {}, lockToState: true}, "
                                       "{slot: 1, static: {passphrase: x}}") +
                              withKeys("closed", "{slot: 0, nodeID: {}, lockToState: true}") +
                              "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\n"
                              "encryption: {provider: luks2, keys: [{slot: 0, nodeID: {}}]}\n");
        for (const char *id : {"STATE", "u-bound", "u-free"})
            daemon_.folder().write(std::string("script/open-") + id, "");
        // As systemd does it, by the dependencies of the units.
        daemon_.script("detach", R"(rm -f "$SCRIPTS/open-$volume" "$SCRIPTS/open-u-bound"
        result)");
        daemon_.start();
        client_.listen();
        ASSERT_EQ(state("u-bound"), "unlocked");
    }
};

TEST_F(LockOfState, NamesWhatGoesWithIt) {
    EXPECT_EQ(client_.call(volumePath("STATE"), kVolume, "Lock", Options()), "");
    EXPECT_EQ(state("STATE"), "locked");
    EXPECT_EQ(state("u-bound"), "locked") << "looked at before the answer";
    EXPECT_EQ(state("u-free"), "unlocked");
    ASSERT_TRUE(client_.waitFor([&] { return !client_.added().empty(); }));
    const Finished end = client_.finished(client_.added().front());
    EXPECT_TRUE(end.success);
    EXPECT_EQ(end.message,
              "done; locked with it, since all their keys are locked to STATE: u-bound");
}

TEST_F(LockOfState, IsToldAtTheCommandLine) {
    const ProcessResult json =
        Process{.argv = {CTL_PROGRAM, "lock", "STATE", "--json"}, .input = {}, .secret = {}}.run();
    EXPECT_EQ(json.exitCode, 0) << json.err;
    const auto line = nlohmann::json::parse(json.out);
    EXPECT_EQ(line.at("alsoLocked"), nlohmann::json({"u-bound"}));
    EXPECT_EQ(state("u-bound"), "locked");
    daemon_.folder().write("script/open-STATE", "");
    daemon_.folder().write("script/open-u-bound", "");
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    const ProcessResult text =
        Process{.argv = {CTL_PROGRAM, "lock", "STATE"}, .input = {}, .secret = {}}.run();
    EXPECT_EQ(text.out, "u-bound\n");
}

// What Lock did outlives the daemon.
class LockedOnPurpose : public Unlocking {
  protected:
    void SetUp() override {
        Unlocking::SetUp();
        daemon_.script("plan", "result");
        daemon_.script("sync", "result");
        daemon_.script("attach", R"(: >"$SCRIPTS/open-$volume"; result)");
        daemon_.script("detach", R"(rm -f "$SCRIPTS/open-$volume"; result)");
        declare("data");
        daemon_.folder().write("script/open-u-data", "");
        daemon_.start();
        client_.listen();
    }
    void declare(const std::string &name) const {
        daemon_.configure(name + ".yaml",
                          "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
                              "\nvolume: {device: /dev/fake-" + name +
                              "}\nencryption: {keys: [{slot: 0, static: {passphrase: x}}]}\n");
    }
    void lock() {
        ASSERT_EQ(client_.call(volumePath("u-data"), kVolume, "Lock", Options()), "");
        ASSERT_EQ(state("u-data"), "locked");
    }
    void reload() { ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), ""); }
    void restart() {
        EXPECT_EQ(daemon_.stop(), 0);
        daemon_.start();
    }
    static std::string says(const std::string &command) {
        const ProcessResult result =
            Process{.argv = {CTL_PROGRAM, command}, .input = {}, .secret = {}}.run();
        return result.out + result.err;
    }
    void expectKept() {
        EXPECT_EQ(says("plan"), "u-data\tkeep\t-\tvolume\tstays locked, as Lock was called\n");
        EXPECT_EQ(says("apply"), "u-data\tkeep\tstays locked, as Lock was called\n");
        EXPECT_EQ(state("u-data"), "locked");
    }
    void expectUnlocked() {
        EXPECT_EQ(says("plan"), "u-data\tunlock\t-\tvolume\tit is locked\n");
        EXPECT_EQ(says("apply"), "u-data\tunlock\tunlocked\n");
        EXPECT_EQ(state("u-data"), "unlocked");
    }
    [[nodiscard]] std::string mark(const std::string &name) const {
        return daemon_.root() + "/run/volumecrypt/locked/" + name;
    }
};

TEST_F(LockedOnPurpose, IsKnownToTheNextDaemon) {
    lock();
    restart();
    expectKept();
    daemon_.kill();
    daemon_.start();
    expectKept();
}

TEST_F(LockedOnPurpose, EndsWithUnlock) {
    lock();
    restart();
    ASSERT_EQ(client_.call(volumePath("u-data"), kVolume, "Unlock", Options()), "");
    // By others, who called no Lock.
    std::filesystem::remove(daemon_.folder().file("script/open-u-data"));
    restart();
    expectUnlocked();
}

TEST_F(LockedOnPurpose, EndsWhenTheVolumeLeaves) {
    lock();
    daemon_.unconfigure("data.yaml");
    reload();
    declare("data");
    restart();
    expectUnlocked();
}

TEST_F(LockedOnPurpose, EndsWhenTheVolumeLeavesUnseen) {
    lock();
    EXPECT_EQ(daemon_.stop(), 0);
    daemon_.unconfigure("data.yaml");
    daemon_.start();
    declare("data");
    reload();
    expectUnlocked();
}

TEST_F(LockedOnPurpose, OutlivesAnErrorInTheConfiguration) {
    lock();
    EXPECT_EQ(daemon_.stop(), 0);
    daemon_.configure("data.yaml", "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: 'a b'\n");
    daemon_.start();
    declare("data");
    reload();
    expectKept();
}

TEST_F(LockedOnPurpose, IsSaidByNothingElseInItsFolder) {
    std::filesystem::create_directories(mark("u-data"));
    std::filesystem::create_directories(mark("u-gone"));
    std::filesystem::create_symlink(daemon_.folder().file("script"), mark("u-link"));
    for (const char *name : {"u-", "no id", "u-data.json", "U-DATA"})
        daemon_.folder().write(std::string("root/run/volumecrypt/locked/") + name, "x");
    std::filesystem::remove(daemon_.folder().file("script/open-u-data"));
    restart();
    expectUnlocked();
    EXPECT_TRUE(std::filesystem::exists(daemon_.folder().file("script/inspect")));
}

}  // namespace
}  // namespace volumecrypt::test

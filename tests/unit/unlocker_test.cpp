// SPDX-License-Identifier: Apache-2.0
// What Unlock and Lock ask of systemd for volumes that are mounted below others.
#include "daemon/unlocker.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/child_launcher.h"
#include "support/temp_dir.h"

namespace volumecrypt::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeSystemd final : public SystemdManager {
  public:
    void startUnit(const std::string &unit, Done done) override { call("start " + unit, done); }
    void stopUnit(const std::string &unit, Done done) override { call("stop " + unit, done); }
    void reloadUnit(const std::string &unit, Done done) override { call("reload " + unit, done); }
    void resetFailed(const std::string &unit, Done done) override { call("reset " + unit, done); }
    void reload(Done done) override { call("reload", done); }

    std::vector<std::string> calls;
    std::set<std::string> failing;

  private:
    void call(const std::string &what, const Done &done) {
        calls.push_back(what);
        if (!failing.contains(what)) return done({});
        done(base::fail(base::ErrorCode::Io, what + " failed"));
    }
};

class UnlockerWithNestedMounts : public ::testing::Test {
  protected:
    UnlockerWithNestedMounts() {
        config::Configuration configuration;
        configuration.volumes.push_back(declared("u-top", "/srv"));
        configuration.volumes.push_back(declared("u-below", "/srv/a"));
        configuration.volumes.push_back(declared("u-deep", "/srv/a/b"));
        configuration.volumes.push_back(declared("u-beside", "/srv2"));
        configuration.volumes.push_back(declared("u-locked", "/srv/locked"));
        volumes_.configure(std::move(configuration));
        const std::string generated = folder_.path() + "/run/systemd/generator";
        std::filesystem::create_directories(generated);
        for (const auto &volume : volumes_.all()) {
            std::ofstream(generated + "/" + volume->spec().consumerUnit()) << "[Mount]\n";
            auto status = volume->status();
            status.state = volume->id().text() == "u-locked" ? model::VolumeState::Locked
                                                             : model::VolumeState::Unlocked;
            volumes_.update(*volume, std::move(status));
        }
    }
    static model::VolumeSpec declared(const std::string &id, const std::string &where) {
        model::VolumeSpec spec(*model::VolumeId::parse(id));
        spec.device.path = "/dev/nonexistent-" + id;
        spec.filesystem.type = model::FilesystemType::Ext4;
        spec.mount = model::MountSpec{.where = where, .options = {}};
        spec.encryption = model::EncryptionSpec{};
        return spec;
    }

    test::TempDir folder_;
    model::SystemPaths paths_{folder_.path(), {}};
    EventLoop loop_;
    ChildLauncher launcher_{loop_};
    JobStore store_{paths_.jobDir()};
    EngineRunner runner_{loop_, launcher_, store_, {.path = "/bin/false", .options = {}}};
    VolumeTable volumes_;
    Inspector inspector_{loop_, runner_, store_, volumes_, paths_};
    JobTable jobs_{loop_, store_, std::chrono::seconds(60)};
    EngineJobs engines_{runner_, store_, jobs_, volumes_, inspector_};
    FakeSystemd systemd_;
    Unlocker unlocker_{engines_,  jobs_, volumes_, inspector_, OutcomeFiles(paths_),
                       &systemd_, paths_};
};

// Systemd has stopped their mounts with the upper one.
TEST_F(UnlockerWithNestedMounts, MountsThemAgain) {
    std::optional<bool> opened;
    unlocker_.open(volumes_.find("u-top"), {}, jobs_.create("unlock", "u-top", 0),
                   [&](const base::Status &status) { opened = status.has_value(); });
    EXPECT_EQ(opened, true);
    EXPECT_THAT(systemd_.calls, ElementsAre("start volumecrypt@u-top.service", "start srv.mount",
                                            "start srv-a.mount", "start srv-a-b.mount"));
}

TEST_F(UnlockerWithNestedMounts, AFailureBelowIsNotTheUppers) {
    systemd_.failing = {"start srv-a.mount"};
    std::optional<bool> opened;
    unlocker_.open(volumes_.find("u-top"), {}, jobs_.create("unlock", "u-top", 0),
                   [&](const base::Status &status) { opened = status.has_value(); });
    EXPECT_EQ(opened, true);
    EXPECT_EQ(systemd_.calls.back(), "start srv-a-b.mount");
}

// Else Unlock would start a unit that is active, and wait for a mapping that nobody makes.
TEST_F(UnlockerWithNestedMounts, TheUnitOfThePlainVolumeIsStoppedWhenItIsEncrypted) {
    int over = 0;
    const auto encrypted = [&](model::VolumeState state) {
        const auto volume = volumes_.find("u-top");
        auto status = volume->status();
        status.state = state;
        volumes_.update(*volume, std::move(status));
        systemd_.calls.clear();
        unlocker_.forgetPlain(*volume, [&] { ++over; });
        return systemd_.calls;
    };
    using enum model::VolumeState;
    for (const auto state : {Locked, Reencrypting})
        EXPECT_THAT(encrypted(state), ElementsAre("stop volumecrypt@u-top.service"));
    for (const auto state : {Foreign, Plain, Unlocked}) EXPECT_THAT(encrypted(state), IsEmpty());
    systemd_.failing = {"stop volumecrypt@u-top.service"};
    EXPECT_THAT(encrypted(Locked), ElementsAre("stop volumecrypt@u-top.service"));
    EXPECT_EQ(over, 6);
}

// The attach unit's engine knows of no caller: who wanted it is in the entry of the job.
TEST_F(UnlockerWithNestedMounts, AFailureOfTheUnitIsLoggedWithItsCaller) {
    systemd_.failing = {"start volumecrypt@u-top.service"};
    std::filesystem::create_directories(paths_.outcomeDir());
    const std::string outcome = paths_.outcome(*model::VolumeId::parse("u-top"), "attach");
    std::ofstream(outcome)
        << R"({"type":"error","verb":"attach","volume":"u-top","code":"NoUsableKey",)"
        << R"("message":"no declared key opens it","hint":"","retry":false,"slot":null})"
        << "\n";
    // Of this attach, and not of an earlier one.
    std::filesystem::last_write_time(
        outcome, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
    for (const bool called : {true, false}) {
        const auto job = jobs_.create("unlock", "u-top", 1000);
        if (!called) job->setUncalled();
        std::optional<base::Error> failed;
        unlocker_.open(volumes_.find("u-top"), {}, job, [&](const base::Status &status) {
            if (!status) failed = status.error();
        });
        ASSERT_TRUE(failed);
        EXPECT_EQ(failed->code, base::ErrorCode::NoUsableKey);
        EXPECT_EQ(job->isLogged(*failed), !called);
    }
}

// What lies below was stopped before the upper one was found to be in use.
TEST_F(UnlockerWithNestedMounts, ALockThatFailsLeavesThemMounted) {
    systemd_.failing = {"stop srv.mount"};
    std::optional<base::ErrorCode> failed;
    unlocker_.close(volumes_.find("u-top"), jobs_.create("lock", "u-top", 0),
                    [&](const base::Status &status) {
                        if (!status) failed = status.error().code;
                    });
    EXPECT_EQ(failed, base::ErrorCode::Busy);
    EXPECT_THAT(systemd_.calls,
                ElementsAre("stop srv.mount", "start srv-a.mount", "start srv-a-b.mount"));
}

}  // namespace
}  // namespace volumecrypt::daemon

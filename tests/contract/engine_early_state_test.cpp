// SPDX-License-Identifier: Apache-2.0
// The early state directory: what cannot be read is not taken for nothing, what the next attach
// would not see is not promised, and what earlier versions kept elsewhere counts.
#include <filesystem>

#include <sys/stat.h>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/result_matchers.h"
#include "support/volume_fixture.h"
#include "volume/device_wipe.h"
#include "volume/pin.h"
#include "volume/session.h"

namespace volumecrypt::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class EngineEarlyStateTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 1, static: {passphrase: secret}}");
    }
    void luksFormat() const {
        ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--key-slot", "1", "--key-file",
                              "-", image_},
                             "secret")
                      .exitCode,
                  0);
    }
    [[nodiscard]] std::string state() const { return root_ + "/etc/volumecrypt/state"; }
    [[nodiscard]] std::string pin() const { return state() + "/pins/u-data.json"; }
    [[nodiscard]] std::string order() const { return state() + "/wipe/u-data"; }
    [[nodiscard]] std::string old(const std::string &name) const {
        return root_ + "/var/lib/volumecrypt/" + name;
    }
    // Moves a pin to where earlier versions kept it.
    void makeOld() const {
        fs::create_directories(old("pins"));
        fs::rename(pin(), old("pins/u-data.json"));
    }
    EngineResult confirmed(const std::string &verb) {
        return engine(verb, {"--confirm", "u-data"});
    }
    // Neither a blank device nor a volume that nobody knows is taken, and no order is.
    void expectNothingIsTaken(const std::string &why) {
        makeImage();
        const std::string blank = imageBytes();
        for (const char *const verb : {"format", "wipe", "forget"}) {
            const EngineResult refused =
                verb == std::string("format") ? engine(verb) : confirmed(verb);
            EXPECT_EQ(refused.code(), "Io") << verb << refused.last().dump();
            EXPECT_THAT(refused.last().at("message").get<std::string>(), HasSubstr(why)) << verb;
            EXPECT_TRUE(imageBytes() == blank) << verb;
        }
        luksFormat();
        const std::string unknown = imageBytes();
        for (const char *const verb : {"sync", "plan"}) {
            const EngineResult refused = engine(verb);
            EXPECT_EQ(refused.code(), "Io") << verb << refused.last().dump();
            EXPECT_THAT(refused.last().at("message").get<std::string>(), HasSubstr(why)) << verb;
            EXPECT_TRUE(imageBytes() == unknown) << verb;
        }
    }
};

TEST_F(EngineEarlyStateTest, ALinkIsNotFollowed) {
    fs::create_directories(root_ + "/var/lib/volumecrypt");
    fs::create_directories(root_ + "/etc/volumecrypt");
    fs::create_directory_symlink(root_ + "/var/lib/volumecrypt", state());
    expectNothingIsTaken("state is a symbolic link");
    fs::remove(state());
    fs::create_directory_symlink("state", state());
    expectNothingIsTaken("state is a symbolic link");
    fs::remove(state());
    fs::create_directories(state());
    fs::create_directory_symlink(root_ + "/var/lib/volumecrypt", state() + "/pins");
    expectNothingIsTaken("pins is a symbolic link");
}

TEST_F(EngineEarlyStateTest, WhatIsNoDirectoryIsNotNothing) {
    directory_.write("root/etc/volumecrypt/state", "");
    expectNothingIsTaken("state is not a directory");
    fs::remove(state());
    directory_.write("root/etc/volumecrypt/state/pins", "");
    expectNothingIsTaken("pins is not a directory");
    fs::remove_all(root_ + "/etc");
    directory_.write("root/etc/volumecrypt", "");
    expectNothingIsTaken("Not a directory");
}

TEST_F(EngineEarlyStateTest, WhatOthersMayChangeIsNotBelieved) {
    fs::create_directories(state());
    fs::permissions(state(), fs::perms{0777});
    expectNothingIsTaken("can be changed by others");
    fs::permissions(state(), fs::perms{0700});
    fs::create_directories(state() + "/pins");
    fs::permissions(state() + "/pins", fs::perms{0720});
    expectNothingIsTaken("can be changed by others");
}

TEST_F(EngineEarlyStateTest, OnlyItsOwnerMayLook) {
    luksFormat();
    ASSERT_EQ(engine("sync").exitCode, 0);
    struct stat info {};
    for (const std::string &path : {state(), state() + "/pins"}) {
        ASSERT_EQ(::stat(path.c_str(), &info), 0) << path;
        EXPECT_EQ(info.st_mode & 0777U, 0700U) << path;
    }
    ASSERT_EQ(::stat(pin().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    EXPECT_FALSE(fs::exists(old("")));
}

TEST_F(EngineEarlyStateTest, TheConfigurationIsNotDisturbed) {
    luksFormat();
    directory_.write("root/etc/volumecrypt/data.yaml",
                     *base::readFile(configDir_ + "/volumes.yaml"), fs::perms{0600});
    directory_.write("root/etc/volumecrypt/state/broken.yaml", "kind: [", fs::perms{0600});
    const ProcessResult synced = Process{
        .argv = {VOLUMECRYPT_ENGINE, "sync", "u-data", "--root", root_, "--output", "json",
                 "--test-kdf"},
        .input = {},
        .secret = {}}.run();
    EXPECT_EQ(synced.exitCode, 0) << synced.out;
    EXPECT_THAT(synced.out, ::testing::Not(HasSubstr("broken")));
    EXPECT_TRUE(fs::exists(pin()));
}

TEST_F(EngineEarlyStateTest, AnEarlierPinMoves) {
    luksFormat();
    ASSERT_EQ(engine("sync").exitCode, 0);
    makeOld();
    EXPECT_EQ(engine("inspect").last().at("pinned"), true);
    const EngineResult synced = engine("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_TRUE(fs::exists(pin()));
    EXPECT_FALSE(fs::exists(old("pins/u-data.json")));
}

TEST_F(EngineEarlyStateTest, AnEarlierPinCounts) {
    luksFormat();
    ASSERT_EQ(engine("sync").exitCode, 0);
    makeOld();
    makeImage();
    EXPECT_EQ(engine("format").code(), "VolumeVanished");
    luksFormat();
    const std::string before = imageBytes();
    EXPECT_EQ(engine("sync").code(), "ForeignVolume");
    EXPECT_TRUE(imageBytes() == before);
    EXPECT_TRUE(fs::exists(old("pins/u-data.json"))) << "it is not forgotten";
    EXPECT_FALSE(fs::exists(pin()));
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    EXPECT_FALSE(fs::exists(old("pins/u-data.json")));
    EXPECT_EQ(engine("sync").exitCode, 0);
}

// As early in boot: only sync, after /var was mounted, sees the earlier pin.
TEST_F(EngineEarlyStateTest, AnEarlierPinCountsBesideANewOne) {
    luksFormat();
    ASSERT_EQ(engine("sync").exitCode, 0);
    makeOld();
    fs::rename(old(""), root_ + "/not-mounted-yet");
    luksFormat();
    ASSERT_EQ(engine("sync").exitCode, 0);
    fs::rename(root_ + "/not-mounted-yet", root_ + "/var/lib/volumecrypt");
    EXPECT_EQ(engine("sync").code(), "ForeignVolume");
    EXPECT_TRUE(fs::exists(old("pins/u-data.json")));
}

// The library itself: on a plain file nothing is ever in use.
class EngineStagedWipeTest : public EngineEarlyStateTest {
  protected:
    // With `mount`, the state directory's parent is where the volume is mounted.
    void begin(const std::string &where = "/var/mnt/data") {
        writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                    image_ + "}\nmount: {where: " + where +
                    "}\nencryption: {keys: [{slot: 1, static: " + "{passphrase: secret}}]}\n");
        volume::Options options{.verb = volume::Verb::Wipe,
                                .id = *model::VolumeId::parse("u-data"),
                                .paths = model::SystemPaths(root_, {configDir_})};
        session_.emplace(std::move(options), reporter_);
        ASSERT_TRUE(session_->loadSpec());
        ASSERT_TRUE(session_->findDevice());
        content_.kind = blockdev::ContentKind::Luks2;
        content_.uuid = "11223344-5566-7788-99aa-bbccddeeff00";
    }
    base::Status stage() { return volume::stageWipe(*session_, content_); }

    volume::Reporter reporter_{"wipe", "u-data", volume::OutputFormat::Json};
    std::optional<volume::Session> session_;
    blockdev::Content content_;
};

TEST_F(EngineStagedWipeTest, IsWhereTheNextAttachLooks) {
    begin();
    ASSERT_TRUE(stage());
    EXPECT_EQ(*base::readFile(order()), content_.uuid + "\n");
    const auto staged = volume::stagedWipe(*session_);
    ASSERT_TRUE(staged);
    EXPECT_TRUE(volume::isStaged(*staged, content_));
    volume::dropStagedWipe(*session_);
    EXPECT_FALSE(fs::exists(order()));
}

TEST_F(EngineStagedWipeTest, ThatCannotBeSeenIsRefused) {
    begin();
    fs::create_directories(root_ + "/etc/volumecrypt");
    fs::create_directory_symlink(root_, state());
    const auto refused = stage();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                AllOf(HasSubstr("symbolic link"), HasSubstr("nothing was done")));
    fs::remove(state());
    directory_.write("root/etc/volumecrypt/state/wipe/u-data/in-the-way", "");
    EXPECT_FALSE(stage());
}

// /etc/volumecrypt may be a link to a directory on a volume: it is not there when that is attached.
TEST_F(EngineStagedWipeTest, OnAVolumeIsRefused) {
    begin();
    fs::create_directories(root_ + "/var/mnt/data/conf");
    fs::create_directories(root_ + "/etc");
    fs::create_directory_symlink(root_ + "/var/mnt/data/conf", root_ + "/etc/volumecrypt");
    const auto refused = stage();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("lies on volume u-data"));
    EXPECT_FALSE(fs::exists(order()));
    // The same directory elsewhere is as good as any.
    begin("/var/mnt/other");
    EXPECT_TRUE(stage());
}

TEST_F(EngineStagedWipeTest, AnOrderThatCannotBeReadIsNoAbsence) {
    begin();
    directory_.write("root/etc/volumecrypt/state/wipe", "");
    EXPECT_FALSE(volume::stagedWipe(*session_));
    fs::remove(state() + "/wipe");
    fs::create_directories(order());
    EXPECT_FALSE(volume::stagedWipe(*session_));
}

TEST_F(EngineStagedWipeTest, AnEarlierOrderCountsAndMoves) {
    begin();
    directory_.write("root/var/lib/volumecrypt/wipe/u-data", content_.uuid + "\n");
    EXPECT_EQ(*volume::stagedWipe(*session_), content_.uuid + "\n");
    EXPECT_TRUE(*volume::isStagedWipe(*session_, content_.uuid));
    luksFormat();
    EXPECT_EQ(engine("sync").exitCode, 0);
    EXPECT_FALSE(fs::exists(old("wipe/u-data")));
    EXPECT_EQ(*base::readFile(order()), content_.uuid + "\n");
}

// Pinned again it could not be wiped with a read-only root, and would look like a keeper.
TEST_F(EngineStagedWipeTest, AVolumeThatIsGivenUpIsNotPinnedAgain) {
    begin();
    luksFormat();
    content_.uuid = engine("inspect").last().at("uuid").get<std::string>();
    ASSERT_TRUE(stage());
    EXPECT_EQ(engine("sync").exitCode, 0);
    EXPECT_EQ(engine("inspect").last().at("pinned"), false);
}

}  // namespace
}  // namespace volumecrypt::test

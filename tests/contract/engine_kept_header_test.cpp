// SPDX-License-Identifier: Apache-2.0
// Headers that are kept in the early state directory: what cryptsetup would have written, for root
// alone, and gone with the volume.
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/result_matchers.h"
#include "support/volume_fixture.h"
#include "volume/header_backup.h"
#include "volume/session.h"

namespace volumecrypt::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using volume::kept_for::kVolumeKey;

class EngineKeptHeaderTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 1, static: {passphrase: secret}}");
        ASSERT_EQ(engine("format").exitCode, 0);
        ASSERT_EQ(engine("sync").exitCode, 0);
        ASSERT_THAT(session_.loadSpec(), IsOk());
        ASSERT_THAT(session_.findDevice(), IsOk());
    }
    [[nodiscard]] std::string kept(const std::string &reason) const {
        return root_ + "/etc/volumecrypt/state/backups/u-data." + reason;
    }
    [[nodiscard]] std::string keptForVolumeKey() const { return kept("volume-key"); }
    [[nodiscard]] std::string asCryptsetupWritesIt() const {
        const std::string file = directory_.file("header");
        fs::remove(file);
        EXPECT_EQ(cryptsetup({"luksHeaderBackup", image_, "--header-backup-file", file}).exitCode,
                  0);
        return *base::readFile(file);
    }
    void damage(std::streamoff at) const {
        std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(at);
        file << "damaged";
    }

    volume::Reporter reporter_{"test", "u-data", volume::OutputFormat::Json};
    volume::Session session_{
        {.id = *model::VolumeId::parse("u-data"), .paths = model::SystemPaths(root_, {configDir_})},
        reporter_};
};

TEST_F(EngineKeptHeaderTest, IsWhatCryptsetupWritesAndForRootAlone) {
    const std::string before = imageBytes();
    const auto path = volume::keepBackup(session_, kVolumeKey);
    ASSERT_THAT(path, IsOk());
    EXPECT_EQ(*path, keptForVolumeKey());
    EXPECT_TRUE(*base::readFile(*path) == asCryptsetupWritesIt());
    EXPECT_TRUE(imageBytes() == before);
    struct stat info {};
    ASSERT_EQ(::stat(path->c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    ASSERT_EQ(::stat(fs::path(*path).parent_path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700U);
    EXPECT_EQ(
        cryptsetup({"open", "--test-passphrase", "--header", *path, image_}, "secret").exitCode, 0);
}

TEST_F(EngineKeptHeaderTest, ADamagedCopyIsWholeInIt) {
    for (const std::streamoff at : {4096 + 100, (128 << 10) + 4096 + 100}) {
        const std::string whole = imageBytes();
        damage(at);
        const std::string damaged = imageBytes();
        const auto path = volume::keepBackup(session_, kVolumeKey);
        ASSERT_THAT(path, IsOk());
        EXPECT_TRUE(imageBytes() == damaged) << "the device is as it was";
        const auto image = luks::imageOf(*path);
        ASSERT_THAT(image, IsOk());
        EXPECT_FALSE(image->copy.needsRepair) << at;
        EXPECT_EQ(
            cryptsetup({"open", "--test-passphrase", "--header", *path, image_}, "secret").exitCode,
            0);
        std::ofstream(image_, std::ios::binary) << whole;
    }
}

TEST_F(EngineKeptHeaderTest, WhatIsNoHeaderOfOursIsNotKept) {
    damage(0);
    damage(128 << 10);
    EXPECT_FALSE(volume::keepBackup(session_, kVolumeKey).has_value());
    EXPECT_FALSE(fs::exists(keptForVolumeKey()));
}

TEST_F(EngineKeptHeaderTest, EachReasonHasItsOwnAndCanBeDropped) {
    ASSERT_THAT(volume::keepBackup(session_, kVolumeKey), IsOk());
    ASSERT_THAT(volume::keepBackup(session_, volume::kept_for::kEncrypt), IsOk());
    EXPECT_TRUE(*volume::hasBackup(session_, kVolumeKey));
    EXPECT_TRUE(volume::openBackup(session_, kVolumeKey).has_value());
    ASSERT_THAT(volume::dropBackup(session_, kVolumeKey), IsOk());
    ASSERT_THAT(volume::dropBackup(session_, kVolumeKey), IsOk());
    EXPECT_FALSE(*volume::hasBackup(session_, kVolumeKey));
    EXPECT_FALSE(volume::openBackup(session_, kVolumeKey).has_value());
    EXPECT_TRUE(fs::exists(kept("encrypt")));
}

TEST_F(EngineKeptHeaderTest, TheyGoWithTheVolume) {
    const std::string ofAnother = root_ + "/etc/volumecrypt/state/backups/u-data2.encrypt";
    const std::vector<std::string> confirmed{"--confirm", "u-data"};
    const std::vector<std::pair<std::string, std::vector<std::string>>> verbs{
        {"forget", confirmed}, {"erase", confirmed}, {"format", {"--force"}}, {"wipe", confirmed}};
    for (const auto &[verb, options] : verbs) {
        ASSERT_THAT(volume::keepBackup(session_, kVolumeKey), IsOk()) << verb;
        // What an interrupted write leaves.
        std::ofstream(keptForVolumeKey() + ".ABCDEF") << "half";
        std::ofstream(ofAnother) << "another's";
        const EngineResult done = engine(verb, options);
        ASSERT_EQ(done.exitCode, 0) << verb << done.last().dump();
        EXPECT_EQ(done.last().at("changed"), true) << verb;
        EXPECT_FALSE(fs::exists(keptForVolumeKey())) << verb;
        EXPECT_FALSE(fs::exists(keptForVolumeKey() + ".ABCDEF")) << verb;
        EXPECT_TRUE(fs::exists(ofAnother)) << verb;
    }
}

TEST_F(EngineKeptHeaderTest, EraseSaysSo) {
    ASSERT_THAT(volume::keepBackup(session_, kVolumeKey), IsOk());
    const EngineResult erased = engine("erase", {"--confirm", "u-data"});
    ASSERT_EQ(erased.exitCode, 0) << erased.last().dump();
    EXPECT_THAT(erased.last().dump(), HasSubstr("1 kept backup"));
}

}  // namespace
}  // namespace volumecrypt::test

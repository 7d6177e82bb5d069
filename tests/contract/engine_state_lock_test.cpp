// SPDX-License-Identifier: Apache-2.0
// Keys that are locked to STATE, on plain files: what cryptsetup accepts, and what the engine says
// when STATE is away or was replaced.
#include <filesystem>

#include <sys/stat.h>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using Steps = std::vector<std::string>;
using ::testing::HasSubstr;
using ::testing::Not;

// The salt of Talos' own test, in its layout.
constexpr const char *kTalosFile =
    "diskSalt:\n    - 240\n    - 180\n    - 79\n    - 128\n    - 31\n    - 0\n    - 19\n    - 124\n"
    "    - 165\n    - 74\n    - 113\n    - 220\n    - 27\n    - 83\n    - 46\n    - 74\n    - 204\n"
    "    - 190\n    - 217\n    - 96\n    - 221\n    - 2\n    - 165\n    - 98\n    - 245\n    - 36\n"
    "    - 165\n    - 151\n    - 149\n    - 66\n    - 113\n    - 16\n";

std::string talosSalt() {
    static constexpr unsigned char bytes[] = {0xf0, 0xb4, 0x4f, 0x80, 0x1f, 0x00, 0x13, 0x7c,
                                              0xa5, 0x4a, 0x71, 0xdc, 0x1b, 0x53, 0x2e, 0x4a,
                                              0xcc, 0xbe, 0xd9, 0x60, 0xdd, 0x02, 0xa5, 0x62,
                                              0xf5, 0x24, 0xa5, 0x97, 0x95, 0x42, 0x71, 0x10};
    return {reinterpret_cast<const char *>(bytes), sizeof bytes};
}

class EngineStateLockTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        stateDir_ = root_ + "/system/state";
        saltPath_ = stateDir_ + "/encryption-salt.yaml";
        mountState();
    }
    void mountState() const { std::filesystem::create_directories(stateDir_); }
    void unmountState() const { std::filesystem::remove_all(root_ + "/system"); }

    void declareWith(const std::string &keys) {
        writeConfig(
            "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nencryption: {keys: [{nodeID: "
            "{}}]}\n---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: "
            "{device: " +
            image_ + "}\nfilesystem: {type: ext4}\nencryption: {keys: [" + keys + "]}\n");
    }
    void formatted(const std::string &keys) {
        declareWith(keys);
        const EngineResult result = engine("format");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
    }
    // What a STATE that was made anew holds.
    void replaceSalt() const {
        std::string other = kTalosFile;
        other.replace(other.find("240"), 3, "241");
        ASSERT_TRUE(base::writeFileAtomically(saltPath_, other, 0600));
    }
    [[nodiscard]] std::string message(const EngineResult &result) const {
        return result.last().value("message", "");
    }

    std::string stateDir_, saltPath_;
    static constexpr const char *kLocked =
        "{slot: 0, static: {passphrase: topsecret}, lockToState: true}";
    static constexpr const char *kBoth =
        "{slot: 0, static: {passphrase: topsecret}, lockToState: true}, "
        "{slot: 1, static: {passphrase: second}}";
};

TEST_F(EngineStateLockTest, KeyIsPassphraseThenSalt) {
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, kTalosFile, 0600));
    formatted(kLocked);
    EXPECT_TRUE(opens(0, "topsecret" + talosSalt()));
    EXPECT_FALSE(opens(0, "topsecret"));
    EXPECT_EQ(*base::readFile(saltPath_), kTalosFile) << "the salt was written anew";
    EXPECT_EQ(engine("plan").exitCode, 0);
    const nlohmann::json slot = engine("inspect").last().at("slots")[0];
    EXPECT_EQ(slot.at("lockedToState"), true);
    EXPECT_EQ(slot.at("health"), "unverified");
    EXPECT_EQ(engine("sync").last().at("changed"), false);
}

TEST_F(EngineStateLockTest, ANewVolumeKeyKeepsLockedKeysAndTheCopyOfThePin) {
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, kTalosFile, 0600));
    declareWith(kBoth);
    ASSERT_EQ(cryptsetup(
                  {"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                   "1000", "--key-slot", "1", "--key-file", "-", image_},
                  "second")
                  .exitCode,
              0);
    ASSERT_EQ(engine("sync").exitCode, 0);
    const std::string copy = stateDir_ + "/volumecrypt/pins/u-data.json";
    const std::string pinned = *base::readFile(copy);
    const std::string before = imageBytes();
    unmountState();
    const EngineResult refused = engine("reencrypt");
    EXPECT_EQ(refused.exitCode, 1);
    EXPECT_TRUE(imageBytes() == before) << "the copy of the pin cannot be told";
    mountState();
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, kTalosFile, 0600));
    ASSERT_TRUE(base::makeDirectories(stateDir_ + "/volumecrypt/pins", 0700));
    ASSERT_TRUE(base::writeFileAtomically(copy, pinned, 0600));
    const EngineResult done = engine("reencrypt");
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_TRUE(opens(0, "topsecret" + talosSalt()));
    EXPECT_TRUE(opens(1, "second"));
    EXPECT_NE(*base::readFile(copy), pinned);
    EXPECT_THAT(*base::readFile(copy), Not(HasSubstr("\"next\"")));
    EXPECT_EQ(engine("plan", {"--verify"}).exitCode, 0);
}

TEST_F(EngineStateLockTest, SaltIsMadeOnceAndForRootOnly) {
    formatted(kLocked);
    const std::string made = *base::readFile(saltPath_);
    EXPECT_EQ(made.substr(0, 16), "diskSalt:\n    - ");
    struct stat info {};
    ASSERT_EQ(::stat(saltPath_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
    EXPECT_EQ(engine("sync").exitCode, 0);
    EXPECT_EQ(*base::readFile(saltPath_), made);
    const auto files = std::distance(std::filesystem::directory_iterator(stateDir_), {});
    EXPECT_EQ(files, 1) << "something was left beside the salt";
}

TEST_F(EngineStateLockTest, NothingIsMadeWithoutState) {
    unmountState();
    declareWith(kLocked);
    const EngineResult refused = engine("format");
    EXPECT_EQ(refused.code(), "SaltUnavailable") << refused.last().dump();
    EXPECT_EQ(refused.exitCode, 75) << "it is worth retrying";
    EXPECT_THAT(imageBytes(), Not(HasSubstr("LUKS")));
    EXPECT_FALSE(std::filesystem::exists(stateDir_)) << "a salt would be below the mount point";
}

TEST_F(EngineStateLockTest, PlanMakesNoSalt) {
    formatted("{slot: 1, static: {passphrase: second}}");
    declareWith(kBoth);
    EXPECT_EQ(engine("plan").steps(), Steps{"defer 0"});
    EXPECT_FALSE(std::filesystem::exists(saltPath_));
    EXPECT_EQ(engine("sync").steps(), Steps{"add 0"});
    EXPECT_TRUE(std::filesystem::exists(saltPath_));
}

TEST_F(EngineStateLockTest, WithAnUnlockedKeyItOpensWithoutState) {
    formatted(kBoth);
    unmountState();
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.last().at("unlockedBySlot"), 1);
    EXPECT_EQ(sync.steps(), Steps{}) << "a key that cannot be had is left alone";
    EXPECT_FALSE(std::filesystem::exists(stateDir_));
}

TEST_F(EngineStateLockTest, ReplacedStateIsNamed) {
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, kTalosFile, 0600));
    formatted(kLocked);
    const std::string before = imageBytes();
    replaceSalt();
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "SaltUnavailable");
    EXPECT_EQ(refused.exitCode, 1) << "another try would not help";
    EXPECT_THAT(message(refused), HasSubstr("STATE was replaced"));
    EXPECT_TRUE(imageBytes() == before);
    EXPECT_EQ(engine("inspect").last().at("slots")[0].at("health"), "stale");
    // Somebody who has another key binds the volume to the new STATE.
    const EngineResult done = engine("sync", {}, "topsecret" + talosSalt());
    EXPECT_EQ(done.steps(), Steps{"replace 0"}) << done.last().dump();
    EXPECT_FALSE(opens(0, "topsecret" + talosSalt()));
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineStateLockTest, ReplacedStateIsFollowedWhenAnotherKeyOpens) {
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, kTalosFile, 0600));
    formatted(kBoth);
    std::filesystem::remove(saltPath_);
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"replace 0"});
    EXPECT_THAT(sync.last().at("steps").dump(), HasSubstr("STATE was replaced"));
    EXPECT_FALSE(opens(0, "topsecret" + talosSalt()));
    EXPECT_TRUE(opens(1, "second"));
}

TEST_F(EngineStateLockTest, LockCanBeTurnedOnAndOff) {
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, kTalosFile, 0600));
    formatted(
        "{slot: 0, static: {passphrase: topsecret}}, {slot: 1, static: {passphrase: second}}");
    declareWith(kBoth);
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, "topsecret" + talosSalt()));
    declareWith(
        "{slot: 0, static: {passphrase: topsecret}}, {slot: 1, static: {passphrase: second}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, "topsecret"));
}

TEST_F(EngineStateLockTest, DamagedSaltIsNotMadeAnew) {
    ASSERT_TRUE(base::writeFileAtomically(saltPath_, "diskSalt:\n    - 1\n", 0600));
    declareWith(kLocked);
    const EngineResult refused = engine("format");
    EXPECT_EQ(refused.code(), "SaltUnavailable");
    EXPECT_THAT(message(refused), HasSubstr("32 bytes"));
    EXPECT_EQ(*base::readFile(saltPath_), "diskSalt:\n    - 1\n");
}

}  // namespace
}  // namespace volumecrypt::test

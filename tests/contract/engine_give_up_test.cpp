// SPDX-License-Identifier: Apache-2.0
// Keys beside the declared ones, pins, and the verbs that give a volume up, on plain files.
#include <gmock/gmock.h>

#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

constexpr const char *kGivenUpKeys =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: secret}}";

class EngineGiveUpTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare(kGivenUpKeys);
    }
    // A volume that is in use for good: made elsewhere, adopted, and so pinned.
    void adopted() {
        ASSERT_EQ(
            cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "argon2id",
                        "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32", "--pbkdf-parallel",
                        "1", "--key-slot", "1", "--key-file", "-", image_},
                       "secret")
                .exitCode,
            0);
        ASSERT_EQ(engine("sync").exitCode, 0);
        ASSERT_TRUE(pinned());
    }
    bool pinned() { return engine("inspect").last().at("pinned").get<bool>(); }
    EngineResult confirmed(const std::string &verb) {
        return engine(verb, {"--confirm", "u-data"});
    }
};

TEST_F(EngineGiveUpTest, AddedKeysSurviveSyncAndCanBeRemoved) {
    ASSERT_EQ(engine("format").exitCode, 0);
    const EngineResult added = engine("add-key", {}, "mine");
    ASSERT_EQ(added.exitCode, 0) << added.last().dump();
    const auto slot = added.last().at("slot").get<unsigned>();
    EXPECT_TRUE(opens(slot, "mine"));
    declare(kGivenUpKeys, "unmanagedSlots: remove");
    EXPECT_EQ(engine("sync").steps(), std::vector<std::string>{});
    EXPECT_TRUE(opens(slot, "mine"));
    const EngineResult removed = engine("remove-key", {"--slot", std::to_string(slot)});
    EXPECT_EQ(removed.exitCode, 0) << removed.last().dump();
    EXPECT_FALSE(opens(slot, "mine"));
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineGiveUpTest, OnlyAddedKeysCanBeRemoved) {
    ASSERT_EQ(engine("format").exitCode, 0);
    const std::string before = imageBytes();
    EXPECT_EQ(engine("remove-key", {"--slot", "1"}).code(), "InvalidConfig");
    EXPECT_EQ(engine("remove-key", {"--slot", "9"}).code(), "NotFound");
    EXPECT_EQ(engine("remove-key").exitCode, 64);
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineGiveUpTest, AnotherVolumeIsForeign) {
    adopted();
    makeImage();
    ASSERT_EQ(cryptsetup(
                  {"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                   "1000", "--key-slot", "1", "--key-file", "-", image_},
                  "secret")
                  .exitCode,
              0);
    const std::string before = imageBytes();
    EXPECT_EQ(engine("sync").code(), "ForeignVolume");
    EXPECT_TRUE(imageBytes() == before);
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    EXPECT_EQ(engine("sync").exitCode, 0);
}

TEST_F(EngineGiveUpTest, ARefusedSlotDoesNotKeepTheVolumeFromBeingPinned) {
    adopted();
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    ASSERT_TRUE(base::writeFileAtomically(directory_.path() + "/mine", "mine", 0600));
    ASSERT_EQ(
        cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                    "--new-key-slot", "7", "--key-file", "-", image_, directory_.path() + "/mine"},
                   "secret")
            .exitCode,
        0);
    declare(std::string(kGivenUpKeys) + "\n- {slot: 7, static: {passphrase: ours}}");
    EXPECT_EQ(engine("sync").code(), "SlotInUse");
    EXPECT_TRUE(pinned());
}

TEST_F(EngineGiveUpTest, AZeroedVolumeIsNotFormatted) {
    adopted();
    makeImage();
    const std::string before = imageBytes();
    EXPECT_EQ(engine("format").code(), "VolumeVanished");
    EXPECT_TRUE(imageBytes() == before);
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    EXPECT_EQ(engine("format").exitCode, 0);
}

TEST_F(EngineGiveUpTest, WipeMakesBlankAndForgets) {
    adopted();
    EXPECT_EQ(engine("wipe").exitCode, 64);
    const EngineResult wiped = confirmed("wipe");
    ASSERT_EQ(wiped.exitCode, 0) << wiped.last().dump();
    EXPECT_EQ(engine("inspect").last().at("state"), "blank");
    EXPECT_FALSE(pinned());
    EXPECT_EQ(imageBytes().find_first_not_of('\0'), std::string::npos);
    EXPECT_EQ(engine("format").exitCode, 0);
}

TEST_F(EngineGiveUpTest, RotateSaysHowToChangeWhatItCannotMake) {
    adopted();
    const EngineResult nodeId = engine("rotate", {"--slot", "0"});
    EXPECT_EQ(nodeId.code(), "InvalidConfig");
    EXPECT_THAT(nodeId.last().at("hint"), HasSubstr("declare a key of another kind"));
    const EngineResult fixed = engine("rotate", {"--slot", "1"});
    EXPECT_EQ(fixed.code(), "InvalidConfig");
    EXPECT_THAT(fixed.last().at("hint"), HasSubstr("Change the passphrase where it is declared"));
    const std::string recovery =
        "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc";
    const EngineResult added = engine("add-key", {"--kind", "recovery"}, recovery);
    ASSERT_EQ(added.exitCode, 0) << added.last().dump();
    const std::string slot = std::to_string(added.last().at("slot").get<unsigned>());
    EXPECT_THAT(engine("rotate", {"--slot", slot}).last().at("hint"),
                HasSubstr("`volumecryptctl add-key --recovery u-data`"));
    const EngineResult passphrase = engine("add-key", {}, "mine");
    const std::string other = std::to_string(passphrase.last().at("slot").get<unsigned>());
    EXPECT_THAT(engine("rotate", {"--slot", other}).last().at("hint"),
                HasSubstr("`volumecryptctl add-key u-data`"));
}

TEST_F(EngineGiveUpTest, EraseDestroysEveryKey) {
    adopted();
    EXPECT_EQ(engine("erase").exitCode, 64);
    EXPECT_TRUE(opens(1, "secret"));
    const EngineResult erased = confirmed("erase");
    ASSERT_EQ(erased.exitCode, 0) << erased.last().dump();
    EXPECT_FALSE(opens(0, kNodeId));
    EXPECT_FALSE(opens(1, "secret"));
    // A hint that asks for a passphrase would lead nowhere.
    const EngineResult synced = engine("sync");
    EXPECT_EQ(synced.code(), "NoUsableKey");
    EXPECT_THAT(synced.last().at("message"), HasSubstr("no key slot any more"));
    EXPECT_THAT(synced.last().at("hint"), HasSubstr("`volumecryptctl wipe u-data`"));
}

}  // namespace
}  // namespace volumecrypt::test

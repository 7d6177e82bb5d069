// SPDX-License-Identifier: Apache-2.0
// format, plan and sync on plain files: what the engine says and what cryptsetup finds afterwards.
#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using Steps = std::vector<std::string>;

constexpr const char *kTwoKeys =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: oldkey}}";
constexpr const char *kNewKey =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: newkey}}";

class EngineSyncTest : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(); }
    void formatted(const std::string &keys = kTwoKeys) {
        declare(keys);
        const EngineResult result = engine("format");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
    }
};

TEST_F(EngineSyncTest, FormatMakesEveryDeclaredKey) {
    formatted();
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_TRUE(opens(1, "oldkey"));
    EXPECT_FALSE(opens(1, "newkey"));
    EXPECT_EQ(cryptsetup({"luksDump", image_}).exitCode, 0);
    EXPECT_NE(dump().find("aes-xts-plain64"), std::string::npos);
    const EngineResult seen = engine("inspect");
    EXPECT_EQ(seen.exitCode, 0);
    EXPECT_EQ(seen.last().at("state"), "locked");
    EXPECT_EQ(seen.last().at("phase"), "formatting");
    EXPECT_EQ(seen.last().at("keySize"), 512);
    ASSERT_EQ(seen.last().at("slots").size(), 2U);
    EXPECT_EQ(seen.last().at("slots")[1].at("kind"), "static");
    EXPECT_EQ(seen.last().at("slots")[1].at("health"), "unverified") << "no key was tried";
    EXPECT_EQ(seen.last().at("slots")[1].at("managed"), true);
}

TEST_F(EngineSyncTest, SyncWithNothingToDoWritesNothing) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult plan = engine("plan");
    EXPECT_EQ(plan.exitCode, 0) << plan.last().dump();
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.last().at("changed"), false);
    EXPECT_EQ(sync.steps(), Steps{});
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineSyncTest, SyncWithNothingToDoDerivesOneKey) {
    formatted();
    const std::string log = directory_.path() + "/kdf";
    environment_ = {"LD_PRELOAD=" KDF_COUNTER, "KDF_LOG=" + log,
                    "ASAN_OPTIONS=verify_asan_link_order=0"};
    ASSERT_EQ(engine("sync").exitCode, 0);
    EXPECT_EQ(base::readFile(log).value_or(""), "k");
    ASSERT_EQ(engine("sync", {"--verify"}).exitCode, 0);
    EXPECT_EQ(base::readFile(log).value_or(""), "kkk") << "--verify opens the other slot too";
}

TEST_F(EngineSyncTest, ChangedPassphraseIsReplaced) {
    formatted();
    declare(kNewKey);
    const std::string before = imageBytes();
    const EngineResult plan = engine("plan");
    EXPECT_EQ(plan.exitCode, 2);
    EXPECT_EQ(plan.steps(), Steps{"replace 1"});
    EXPECT_TRUE(imageBytes() == before) << "plan changed the device";
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"replace 1"});
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_TRUE(opens(1, "newkey"));
    EXPECT_FALSE(opens(1, "oldkey"));
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_EQ(dump().find("31: luks2"), std::string::npos) << "the spare slot was left behind";
}

TEST_F(EngineSyncTest, KeysComeAndGo) {
    formatted("- {slot: 0, nodeID: {}}");
    declare("- {slot: 0, nodeID: {}}\n- {slot: 7, static: {passphrase: seven}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"add 7"});
    EXPECT_TRUE(opens(7, "seven"));
    declare("- {slot: 3, nodeID: {}}\n- {slot: 7, static: {passphrase: seven}}");
    EXPECT_EQ(engine("sync").steps(), (Steps{"add 3", "remove 0"}));
    EXPECT_TRUE(opens(3, kNodeId));
    EXPECT_FALSE(opens(0, kNodeId));
}

TEST_F(EngineSyncTest, SwappedKeys) {
    formatted("- {slot: 0, static: {passphrase: one}}\n- {slot: 1, static: {passphrase: two}}");
    declare("- {slot: 0, static: {passphrase: two}}\n- {slot: 1, static: {passphrase: one}}");
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), (Steps{"replace 0", "replace 1"}));
    EXPECT_TRUE(opens(0, "two"));
    EXPECT_TRUE(opens(1, "one"));
}

TEST_F(EngineSyncTest, ForeignSlotsSurvive) {
    formatted();
    ASSERT_TRUE(base::writeFileAtomically(directory_.path() + "/mine", "mine", 0600));
    const std::string keyFile = directory_.path() + "/mine";
    ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                          "--key-file", "-", image_, keyFile},
                         "oldkey")
                  .exitCode,
              0);
    ASSERT_TRUE(opens(2, "mine"));
    declare(kNewKey);
    EXPECT_EQ(engine("sync").exitCode, 0);
    EXPECT_TRUE(opens(2, "mine"));
    EXPECT_EQ(engine("inspect").last().at("slots")[2].at("managed"), false);
    declare(kNewKey, "unmanagedSlots: remove");
    EXPECT_EQ(engine("sync").steps(), Steps{"remove 2"});
    EXPECT_FALSE(opens(2, "mine"));
}

TEST_F(EngineSyncTest, SlotOfSomebodyElseIsNotTaken) {
    formatted();
    const std::string keyFile = directory_.path() + "/mine";
    ASSERT_TRUE(base::writeFileAtomically(keyFile, "mine", 0600));
    ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                          "--new-key-slot", "5", "--key-file", "-", image_, keyFile},
                         "oldkey")
                  .exitCode,
              0);
    declare(std::string(kTwoKeys) + "\n- {slot: 5, static: {passphrase: other}}");
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.exitCode, 1);
    EXPECT_EQ(refused.code(), "SlotInUse");
    EXPECT_TRUE(opens(5, "mine"));
    // The declared key is the one that is there: the slot becomes ours.
    declare(std::string(kTwoKeys) + "\n- {slot: 5, static: {passphrase: mine}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"adopt 5"});
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineSyncTest, AllKeysChangedNeedsAnOldOne) {
    formatted("- {slot: 1, static: {passphrase: oldkey}}");
    declare("- {slot: 1, static: {passphrase: newkey}}");
    const std::string before = imageBytes();
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.exitCode, 1);
    EXPECT_EQ(refused.code(), "NoUsableKey");
    EXPECT_TRUE(imageBytes() == before);
    const EngineResult wrong = engine("sync", {}, "wrong");
    EXPECT_EQ(wrong.code(), "KeyRejected");
    EXPECT_TRUE(imageBytes() == before);
    const EngineResult done = engine("sync", {}, "oldkey");
    EXPECT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_TRUE(opens(1, "newkey"));
    EXPECT_FALSE(opens(1, "oldkey"));
}

TEST_F(EngineSyncTest, KilledSlotComesBack) {
    formatted();
    ASSERT_EQ(cryptsetup({"luksKillSlot", "--key-file", "-", image_, "1"}, kNodeId).exitCode, 0);
    EXPECT_EQ(engine("inspect").last().at("slots")[1].at("health"), "missing");
    EXPECT_EQ(engine("sync").steps(), Steps{"add 1"});
    EXPECT_TRUE(opens(1, "oldkey"));
}

TEST_F(EngineSyncTest, VolumeMadeByCryptsetupIsAdopted) {
    ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "argon2id",
                          "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32",
                          "--pbkdf-parallel", "1", "--key-slot", "1", "--key-file", "-", image_},
                         "oldkey")
                  .exitCode,
              0);
    declare(kTwoKeys);
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), (Steps{"adopt 1", "add 0"}));
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_EQ(engine("inspect").last().at("phase"), "ready");
}

TEST_F(EngineSyncTest, VerifyOpensEverySlot) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult sync = engine("sync", {"--verify"});
    EXPECT_EQ(sync.exitCode, 0);
    EXPECT_EQ(sync.last().at("changed"), false);
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineSyncTest, AllThirtyTwoSlots) {
    std::string keys;
    for (int slot = 0; slot < 32; ++slot)
        keys += "- {slot: " + std::to_string(slot) + ", static: {passphrase: key" +
                std::to_string(slot) + "}}\n";
    formatted(keys);
    for (const unsigned slot : {0U, 15U, 31U})
        EXPECT_TRUE(opens(slot, "key" + std::to_string(slot)));
    EXPECT_EQ(engine("plan").exitCode, 0);
    // No free slot: replaced in place, after another key was proven.
    keys.replace(keys.find("passphrase: key31"), 17, "passphrase: new31");
    declare(keys);
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_TRUE(opens(31, "new31"));
    EXPECT_FALSE(opens(31, "key31"));
}

}  // namespace
}  // namespace volumecrypt::test

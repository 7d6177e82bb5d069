// SPDX-License-Identifier: Apache-2.0
// Whose key is in a slot: what people put there themselves, or asked for, survives every verb; and
// a volume that is not ours is not written to.
#include <gmock/gmock.h>

#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using Steps = std::vector<std::string>;
using ::testing::HasSubstr;

constexpr const char *kOwnedKey = "- {slot: 0, nodeID: {}}";
constexpr const char *kOwnedKeys =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: secret}}";

class EngineOwnershipTest : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(); }
    void formatted(const std::string &keys) {
        declare(keys);
        const EngineResult result = engine("format");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
    }
    void addByHand(unsigned slot, const std::string &key, const std::string &openedBy) {
        const std::string file = directory_.path() + "/mine";
        ASSERT_TRUE(base::writeFileAtomically(file, key, 0600));
        ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                              "--key-slot", std::to_string(slot), "--key-file", "-", image_, file},
                             openedBy)
                      .exitCode,
                  0);
    }
    void formatByHand(const std::string &key, std::vector<std::string> more = {}) {
        std::vector<std::string> command{
            "luksFormat", "--type",     "luks2", "--pbkdf",    "pbkdf2", "--pbkdf-force-iterations",
            "1000",       "--key-slot", "1",     "--key-file", "-"};
        command.insert(command.end(), more.begin(), more.end());
        command.push_back(image_);
        ASSERT_EQ(cryptsetup(command, key).exitCode, 0);
    }
    nlohmann::json header() {
        return nlohmann::json::parse(cryptsetup({"luksDump", "--dump-json-metadata", image_}).out);
    }
    static std::string declared(unsigned slot, const std::string &key) {
        return "\n- {slot: " + std::to_string(slot) + ", static: {passphrase: " + key + "}}";
    }
};

TEST_F(EngineOwnershipTest, AnAddedKeyIsNotReplaced) {
    formatted(kOwnedKey);
    const auto slot = engine("add-key", {}, "mine").last().at("slot").get<unsigned>();
    declare(kOwnedKey + declared(slot, "other"));
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "SlotInUse") << refused.last().dump();
    EXPECT_THAT(refused.last().at("message").get<std::string>(), HasSubstr("added key"));
    EXPECT_TRUE(opens(slot, "mine"));
    const EngineResult removed = engine("remove-key", {"--slot", std::to_string(slot)});
    EXPECT_EQ(removed.exitCode, 0) << removed.last().dump();
    EXPECT_EQ(engine("sync").steps(), Steps{"add " + std::to_string(slot)});
    EXPECT_TRUE(opens(slot, "other"));
}

TEST_F(EngineOwnershipTest, AnAddedKeyThatIsDeclaredIsAdopted) {
    formatted(kOwnedKey);
    const auto slot = engine("add-key", {}, "mine").last().at("slot").get<unsigned>();
    declare(kOwnedKey + declared(slot, "mine"));
    EXPECT_EQ(engine("sync").steps(), Steps{"adopt " + std::to_string(slot)});
    EXPECT_EQ(engine("plan").exitCode, 0);
    // It follows the declaration from now on.
    EXPECT_EQ(engine("remove-key", {"--slot", std::to_string(slot)}).code(), "InvalidConfig");
    declare(kOwnedKey);
    EXPECT_EQ(engine("sync").steps(), Steps{"remove " + std::to_string(slot)});
}

// As Talos does it: the kind was changed in the configuration, and the key in the slot as well.
TEST_F(EngineOwnershipTest, ASlotThatIsAlreadyOfTheDeclaredKindIsAdopted) {
    makeImage();
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: one}}");
    ASSERT_EQ(engine("format").exitCode, 0);
    const std::string key = directory_.write("new", kNodeId, std::filesystem::perms{0600});
    ASSERT_EQ(cryptsetup({"luksChangeKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                          "--key-slot", "1", "--key-file", "-", image_, key},
                         "one")
                  .exitCode,
              0);
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, nodeID: {}}");
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), std::vector<std::string>{"adopt 1"});
    EXPECT_TRUE(opens(1, kNodeId));
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineOwnershipTest, AKeyThatTookTheSlotOfAFormerOneStays) {
    formatted(kOwnedKeys);
    ASSERT_EQ(cryptsetup({"luksKillSlot", "--key-file", "-", image_, "1"}, kNodeId).exitCode, 0);
    addByHand(1, "mine", kNodeId);
    declare(kOwnedKey);
    EXPECT_EQ(engine("sync").steps(), Steps{"adopt 1"});
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_TRUE(opens(1, "mine"));
    EXPECT_EQ(engine("inspect").last().at("slots")[1].at("managed"), false);
}

TEST_F(EngineOwnershipTest, AFormerKeyWithAnotherPriorityGoes) {
    formatted(kOwnedKeys);
    ASSERT_EQ(cryptsetup({"config", "--priority", "prefer", "--key-slot", "1", image_}).exitCode,
              0);
    declare(kOwnedKey);
    EXPECT_EQ(engine("sync").steps(), Steps{"remove 1"});
    EXPECT_FALSE(opens(1, "secret"));
}

TEST_F(EngineOwnershipTest, ASlotDocumentedAsUnmanagedIsLeftAlone) {
    formatted(kOwnedKeys);
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, unmanaged: {}}");
    EXPECT_EQ(engine("remove-key", {"--slot", "1"}).code(), "SlotInUse");
    EXPECT_TRUE(opens(1, "secret"));
    EXPECT_EQ(engine("rotate", {"--slot", "1"}).code(), "InvalidConfig");
    EXPECT_EQ(engine("sync").steps(), Steps{"adopt 1"});
    EXPECT_EQ(engine("remove-key", {"--slot", "1"}).code(), "SlotInUse");
    EXPECT_EQ(engine("rotate", {"--slot", "1"}).code(), "SlotInUse");
    EXPECT_TRUE(opens(1, "secret"));
}

TEST_F(EngineOwnershipTest, ASealedKeyDoesNotTakeASlotOfSomebodyElse) {
    formatted(kOwnedKey);
    addByHand(3, "mine", kNodeId);
    declare(std::string(kOwnedKey) + "\n- {slot: 3, tpm: {}}");
    EXPECT_EQ(engine("rotate", {"--slot", "3"}).code(), "SlotInUse");
    EXPECT_TRUE(opens(3, "mine"));
    EXPECT_EQ(engine("sync").code(), "SlotInUse");
    EXPECT_TRUE(opens(3, "mine"));
}

TEST_F(EngineOwnershipTest, ANewHeaderIsNotWrittenToInThePlaceOfOurs) {
    formatByHand("secret");
    declare(kOwnedKeys);
    ASSERT_EQ(engine("sync").exitCode, 0);
    ASSERT_EQ(engine("inspect").last().at("pinned"), true);
    makeImage();
    formatByHand("secret");
    {
        // With a copy of its header in need of repair.
        std::string damaged = imageBytes();
        damaged.replace(4200, 7, "damaged");
        ASSERT_TRUE(base::writeFileAtomically(image_, damaged, 0600));
    }
    const std::string before = imageBytes();
    for (const char *verb : {"plan", "sync"}) EXPECT_EQ(engine(verb).code(), "ForeignVolume");
    EXPECT_EQ(engine("add-key", {}, "mine").code(), "ForeignVolume");
    EXPECT_EQ(engine("remove-key", {"--slot", "1"}).code(), "ForeignVolume");
    EXPECT_EQ(engine("rotate", {"--slot", "0"}).code(), "ForeignVolume");
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineOwnershipTest, WithoutRoomForAnotherSlotNothingIsWritten) {
    // Room for two key slots of 256 KiB each.
    formatByHand("secret", {"--luks2-keyslots-size", "512k"});
    addByHand(4, "mine", "secret");
    declare("- {slot: 1, static: {passphrase: secret}}\n- {slot: 2, static: {passphrase: two}}");
    const std::string before = imageBytes();
    const EngineResult full = engine("sync");
    EXPECT_EQ(full.code(), "NoSpace") << full.last().dump();
    EXPECT_TRUE(imageBytes() == before);
    // What fits is done all the same: a changed key takes the place of the old one.
    declare("- {slot: 1, static: {passphrase: secret}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"adopt 1"});
    declare("- {slot: 1, static: {passphrase: new}}");
    EXPECT_EQ(engine("sync", {}, "mine").steps(), Steps{"replace 1"});
    EXPECT_TRUE(opens(1, "new"));
    EXPECT_TRUE(opens(4, "mine"));
    EXPECT_EQ(engine("add-key", {}, "three").code(), "NoSpace");
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineOwnershipTest, WithoutRoomForMetadataNothingIsLeftBehind) {
    // 12 KiB of JSON; slots and their entries in the record fill them.
    formatByHand("secret", {"--luks2-metadata-size", "16k"});
    std::string keys = "- {slot: 1, static: {passphrase: secret}}";
    for (unsigned slot = 2; slot < 31; ++slot) keys += declared(slot, "key" + std::to_string(slot));
    declare(keys);
    const EngineResult full = engine("sync");
    EXPECT_EQ(full.code(), "NoSpace") << full.last().dump();
    EXPECT_TRUE(opens(1, "secret"));
    const nlohmann::json left = header();
    for (const auto &[number, token] : left.at("tokens").items())
        EXPECT_TRUE(token.at("pending").is_null());
    EXPECT_EQ(engine("sync").code(), "NoSpace");
    EXPECT_EQ(header().at("keyslots"), left.at("keyslots"));
}

}  // namespace
}  // namespace volumecrypt::test

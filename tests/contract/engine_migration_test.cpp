// SPDX-License-Identifier: Apache-2.0
// Volumes that others made come as they are: their keys and tokens stay, the declared ones are
// added.
#include <gmock/gmock.h>

#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using Steps = std::vector<std::string>;
using ::testing::HasSubstr;

constexpr const char *kOld = "the passphrase of old";

class EngineMigrationTest : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(); }
    void luksFormat(const std::string &type, std::vector<std::string> more = {}) {
        std::vector<std::string> command{"luksFormat", "--batch-mode", "--type", type, "--key-file",
                                         "-",          "--key-slot",   "0"};
        command.insert(command.end(), more.begin(), more.end());
        command.push_back(image_);
        ASSERT_EQ(cryptsetup(command, kOld).exitCode, 0);
    }
    void addKey(unsigned slot, const std::string &key) {
        const std::string file = directory_.path() + "/key";
        ASSERT_TRUE(base::writeFileAtomically(file, key, 0600));
        ASSERT_EQ(cryptsetup({"luksAddKey", "--batch-mode", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--key-slot",
                              std::to_string(slot), "--key-file", "-", image_, file},
                             kOld)
                      .exitCode,
                  0);
    }
    void importToken(unsigned id, const nlohmann::json &token) {
        ASSERT_EQ(
            cryptsetup({"token", "import", "--token-id", std::to_string(id), image_}, token.dump())
                .exitCode,
            0);
    }
    nlohmann::json tokens() {
        return nlohmann::json::parse(
            cryptsetup({"luksDump", "--dump-json-metadata", image_}).out)["tokens"];
    }
};

TEST_F(EngineMigrationTest, Luks1IsConvertedByTheCommandThatTheHintNames) {
    luksFormat("luks1", {"--pbkdf-force-iterations", "1000"});
    addKey(3, "another");
    declare("- {slot: 7, static: {passphrase: declared}}\n- {slot: 6, nodeID: {}}");
    const std::string before = imageBytes();
    const EngineResult refused = engine("sync", {}, kOld);
    EXPECT_EQ(refused.code(), "NotLuks2");
    const auto hint = refused.last().at("hint").get<std::string>();
    EXPECT_THAT(hint, HasSubstr("`cryptsetup convert " + image_ + " --type luks2`"));
    ASSERT_TRUE(imageBytes() == before);

    ASSERT_EQ(cryptsetup({"convert", "--batch-mode", image_, "--type", "luks2"}).exitCode, 0);
    const EngineResult sync = engine("sync", {}, kOld);
    EXPECT_EQ(sync.steps(), (Steps{"add 6", "add 7"})) << sync.last().dump();
    EXPECT_TRUE(opens(0, kOld) && opens(3, "another") && opens(7, "declared") && opens(6, kNodeId));
    // By declared keys alone from now on.
    EXPECT_EQ(engine("plan").exitCode, 0);
}

// Room for eight keys: a change needs one more for its time, or goes the way without.
TEST_F(EngineMigrationTest, AFullHeaderOfLuks1KeepsEveryKey) {
    luksFormat("luks1", {"--pbkdf-force-iterations", "1000"});
    for (const unsigned slot : {1U, 2U, 3U, 4U, 5U, 6U}) addKey(slot, std::to_string(slot));
    ASSERT_EQ(cryptsetup({"convert", "--batch-mode", image_, "--type", "luks2"}).exitCode, 0);
    declare("- {slot: 7, static: {passphrase: seven}}");
    EXPECT_EQ(engine("sync", {}, kOld).steps(), Steps{"add 7"});
    declare("- {slot: 7, static: {passphrase: seven}}\n- {slot: 8, nodeID: {}}");
    const std::string before = imageBytes();
    EXPECT_EQ(engine("sync").code(), "NoSpace");
    EXPECT_TRUE(imageBytes() == before);
    declare("- {slot: 7, static: {passphrase: changed}}");
    const EngineResult changed = engine("sync", {}, "1");
    EXPECT_EQ(changed.steps(), Steps{"replace 7"}) << changed.last().dump();
    EXPECT_TRUE(opens(7, "changed"));
    for (const unsigned slot : {1U, 2U, 3U, 4U, 5U, 6U})
        EXPECT_TRUE(opens(slot, std::to_string(slot)));
}

TEST_F(EngineMigrationTest, KeysAndTokensOfClevisAndSystemdAreLeftAlone) {
    luksFormat("luks2", {"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"});
    addKey(1, "made by clevis");
    addKey(2, "made by systemd");
    // The highest number is where the record would like to be.
    importToken(31, {{"type", "clevis"},
                     {"keyslots", {"1"}},
                     {"jwe", {{"ciphertext", "AA"}, {"protected", "e30"}, {"tag", ""}}}});
    importToken(0, {{"type", "systemd-recovery"}, {"keyslots", {"2"}}});
    const nlohmann::json before = tokens();
    declare("- {slot: 7, static: {passphrase: declared}}\n- {slot: 6, nodeID: {}}");
    ASSERT_EQ(engine("sync", {}, kOld).steps(), (Steps{"add 6", "add 7"}));
    declare("- {slot: 7, static: {passphrase: changed}}");
    ASSERT_EQ(engine("sync", {}, "made by clevis").steps(), (Steps{"replace 7", "remove 6"}));
    const auto added = engine("add-key", {}, "mine").last().at("slot").get<unsigned>();
    ASSERT_EQ(engine("remove-key", {"--slot", std::to_string(added)}).exitCode, 0);
    for (const auto &[id, token] : before.items()) EXPECT_EQ(tokens().at(id), token) << id;
    EXPECT_TRUE(opens(0, kOld) && opens(1, "made by clevis") && opens(2, "made by systemd"));
    for (const char *slot : {"1", "2"})
        EXPECT_EQ(engine("remove-key", {"--slot", slot}).code(), "SlotInUse");
}

// The way back: what nobody else can use is taken out of the header, and the record is no part of
// how others open it.
TEST_F(EngineMigrationTest, WithoutItsRecordTheVolumeIsAnybodys) {
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: declared}}");
    ASSERT_EQ(engine("format").exitCode, 0);
    declare("- {slot: 1, static: {passphrase: declared}}");
    ASSERT_EQ(engine("sync").steps(), Steps{"remove 0"});
    ASSERT_EQ(tokens().at("31").at("type"), "volumecrypt");
    ASSERT_EQ(cryptsetup({"token", "remove", "--token-id", "31", image_}).exitCode, 0);
    EXPECT_TRUE(tokens().empty());
    EXPECT_TRUE(opens(1, "declared"));
    // And it comes back as any other volume does.
    EXPECT_EQ(engine("sync").steps(), Steps{"adopt 1"});
    EXPECT_EQ(engine("plan").exitCode, 0);
}

}  // namespace
}  // namespace volumecrypt::test

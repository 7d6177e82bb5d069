// SPDX-License-Identifier: Apache-2.0
// reencrypt on plain files: what is carried over, what is refused before anything is written, and
// what may be done while it is unfinished. Power cuts: tests/crash/volume_key_scenarios.py.
#include <gmock/gmock.h>

#include "support/swtpm.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char *kRecoveryKey =
    "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc";
constexpr const char *kTwo = "- {slot: 0, static: {passphrase: secret}}\n- {slot: 3, nodeID: {}}";

int shell(const std::string &command) {
    return Process{.argv = {"sh", "-c", command}, .input = {}, .secret = {}}.run().exitCode;
}

class EngineVolumeKey : public VolumeFixture {
  protected:
    // Somebody's volume that became ours, and so is in use; the passphrase "secret" is in slot 0.
    void make(const std::string &keys, const std::vector<std::string> &options = {}) {
        makeImage(std::uint64_t{18} << 20);
        declare(keys);
        ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--luks2-metadata-size", "128k",
                              "--key-file", "-", image_},
                             "secret")
                      .exitCode,
                  0);
        const EngineResult synced = engine("sync", options);
        ASSERT_EQ(synced.exitCode, 0) << synced.last().dump();
    }
    void addForeign(unsigned slot, const std::string &key) const {
        const std::string file = directory_.file("foreign");
        ASSERT_EQ(shell("printf %s " + key + " >" + file), 0);
        ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                              "--key-slot", std::to_string(slot), "--key-file", "-", image_, file},
                             "secret")
                      .exitCode,
                  0);
    }
    [[nodiscard]] json header() const {
        return json::parse(cryptsetup({"luksDump", "--dump-json-metadata", image_}).out);
    }
    // Which slots there are, and which token names which.
    [[nodiscard]] std::string shape() const {
        std::string text;
        const json found = header();
        for (const auto &[slot, content] : found.at("keyslots").items()) text += slot + " ";
        for (const auto &[id, token] : found.at("tokens").items())
            text +=
                id + ":" + token.at("type").get<std::string>() + token.at("keyslots").dump() + " ";
        return text;
    }
    [[nodiscard]] std::string digest() const { return header().at("digests").dump(); }
    void expectRefused(const EngineResult &result, const std::string &code,
                       const std::string &message, const std::string &hint) const {
        EXPECT_EQ(result.exitCode, 1) << result.last().dump();
        EXPECT_EQ(result.code(), code);
        EXPECT_EQ(result.last().value("message", ""), message);
        EXPECT_EQ(result.last().value("hint", ""), hint);
    }
    [[nodiscard]] std::string volume() const { return "volume u-data (" + image_ + ")"; }
};

TEST_F(EngineVolumeKey, KeysKeepSlotsAndTokens) {
    make(kTwo);
    const auto slot =
        engine("add-key", {"--kind", "recovery"}, kRecoveryKey).last().at("slot").get<unsigned>();
    const std::string before = shape();
    const std::string digestBefore = digest();
    const EngineResult done = engine("reencrypt", {}, kRecoveryKey);
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(done.last().value("state", ""), "locked");
    EXPECT_EQ(shape(), before);
    EXPECT_NE(digest(), digestBefore);
    EXPECT_TRUE(opens(0, "secret"));
    EXPECT_TRUE(opens(3, kNodeId));
    EXPECT_TRUE(opens(slot, kRecoveryKey));
    EXPECT_EQ(engine("plan", {"--verify"}).exitCode, 0) << "a sync has nothing to do";
    EXPECT_EQ(engine("remove-key", {"--slot", std::to_string(slot)}).exitCode, 0) << "it is ours";
    const EngineResult again = engine("reencrypt");
    EXPECT_EQ(again.exitCode, 0) << again.last().dump();
}

TEST_F(EngineVolumeKey, AKeyOfUnknownPassphraseIsNamed) {
    make(kTwo);
    addForeign(7, "foreign");
    const std::string before = imageBytes();
    expectRefused(engine("reencrypt"), "SlotInUse",
                  volume() +
                      ": the key in slot 7 cannot be carried over to a new volume key: its "
                      "passphrase is not known",
                  "Nothing was changed. Give it with `volumecryptctl rotate-volume-key "
                  "--secret-file FILE u-data`, or remove what is not needed (`volumecryptctl "
                  "remove-key u-data N`; of a key that is not ours, `cryptsetup luksKillSlot " +
                      image_ + " N`) and add it again afterwards.");
    EXPECT_TRUE(imageBytes() == before);
    ASSERT_EQ(engine("reencrypt", {}, "foreign").exitCode, 0);
    EXPECT_TRUE(opens(7, "foreign"));
    EXPECT_TRUE(opens(0, "secret"));
}

TEST_F(EngineVolumeKey, AllKeysThatCannotBeCarriedAreListed) {
    make(kTwo);
    addForeign(7, "foreign");
    addForeign(9, "another");
    const EngineResult refused = engine("reencrypt");
    EXPECT_EQ(refused.code(), "SlotInUse");
    EXPECT_THAT(refused.last().value("message", ""),
                HasSubstr("the keys in slots 7, 9 cannot be carried over to a new volume key: "
                          "their passphrases are not known"));
    EXPECT_EQ(engine("reencrypt", {}, "foreign").code(), "SlotInUse");
}

TEST_F(EngineVolumeKey, FifteenKeysAreCarried) {
    std::string keys = "- {slot: 0, static: {passphrase: secret}}";
    for (int slot = 1; slot < 15; ++slot)
        keys += "\n- {slot: " + std::to_string(slot) + ", static: {passphrase: k" +
                std::to_string(slot) + "}}";
    make(keys);
    const std::string before = shape();
    const EngineResult done = engine("reencrypt");
    EXPECT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(shape(), before);
    declare(keys + "\n- {slot: 15, static: {passphrase: more}}");
    ASSERT_EQ(engine("sync").exitCode, 0);
    const std::string bytes = imageBytes();
    expectRefused(engine("reencrypt"), "NoSpace",
                  volume() + " has 16 keys, and a change of the volume key carries 15 over at most",
                  "Nothing was changed. Remove keys, and add them again afterwards.");
    EXPECT_TRUE(imageBytes() == bytes);
}

TEST_F(EngineVolumeKey, APinThatCannotBeWrittenForbidsIt) {
    make(kTwo);
    const std::string pin = root_ + "/etc/volumecrypt/state/pins/u-data.json";
    // Not even root replaces a directory by a file.
    ASSERT_EQ(shell("rm " + pin + " && mkdir -p " + pin + "/in-the-way"), 0);
    const std::string before = imageBytes();
    EXPECT_EQ(engine("reencrypt").exitCode, 1);
    EXPECT_TRUE(imageBytes() == before);
    ASSERT_EQ(shell("rm -r " + pin), 0);
    EXPECT_EQ(engine("reencrypt").exitCode, 0);
}

TEST_F(EngineVolumeKey, AVolumeThatWasNeverUsedIsNotReencrypted) {
    makeImage(std::uint64_t{18} << 20);
    declare(kTwo);
    ASSERT_EQ(engine("format").exitCode, 0);
    expectRefused(engine("reencrypt"), "Unsupported",
                  volume() + " has never been in use, and nothing is in it",
                  "Nothing was changed. Run `volumecryptctl unlock u-data`, which makes its file "
                  "system, or wipe it.");
}

class UnfinishedVolumeKey : public EngineVolumeKey {
  protected:
    // Stopped by a signal between two chunks of a second each.
    void SetUp() override {
        make(kTwo);
        ASSERT_EQ(shell("truncate -s 24M " + image_), 0);
        const ProcessResult stopped = Process{
            .argv = {"timeout", "-s", "TERM", "--preserve-status", "2", VOLUMECRYPT_ENGINE,
                     "reencrypt", "u-data", "--root", root_, "--config-dir", configDir_, "--output",
                     "json", "--test-kdf", "--rate", "1048576"},
            .input = {},
            .secret = {}}.run();
        ASSERT_EQ(stopped.exitCode, 75) << stopped.out;
        ASSERT_THAT(stopped.out, HasSubstr("\"code\":\"Cancelled\""));
        ASSERT_THAT(header().at("config").dump(), HasSubstr("online-reencrypt"));
    }
};

TEST_F(UnfinishedVolumeKey, IsAStateOfItsOwn) {
    const EngineResult seen = engine("inspect");
    EXPECT_EQ(seen.exitCode, 0);
    EXPECT_EQ(seen.last().value("state", ""), "reencrypting");
    EXPECT_EQ(seen.lines.front().value("message", ""),
              volume() +
                  ": a change of its volume key is unfinished. `volumecryptctl "
                  "rotate-volume-key u-data` goes on with it.");
}

TEST_F(UnfinishedVolumeKey, NothingElseChangesItsKeys) {
    const std::string before = imageBytes();
    const std::vector<std::string> slot0{"--slot", "0"};
    for (const auto &[verb, more] : {std::pair<const char *, std::vector<std::string>>{"sync", {}},
                                     {"plan", {}},
                                     {"remove-key", slot0},
                                     {"rotate", slot0}})
        expectRefused(engine(verb, more), "Busy",
                      volume() + ": a change of its volume key is unfinished",
                      "`volumecryptctl rotate-volume-key u-data` goes on with it.");
    EXPECT_EQ(engine("add-key", {}, "added").code(), "Busy");
    EXPECT_TRUE(imageBytes() == before);
    const EngineResult done = engine("reencrypt");
    EXPECT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(engine("plan", {"--verify"}).exitCode, 0);
}

// A passphrase that opens the volume is enough, as at any time.
TEST_F(UnfinishedVolumeKey, AnyOfItsKeysGoesOn) {
    declare("- {slot: 0, static: {passphrase: wrong}}");
    EXPECT_EQ(engine("reencrypt").code(), "NoUsableKey");
    const EngineResult done = engine("reencrypt", {}, kNodeId);
    EXPECT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_TRUE(opens(0, "secret"));
}

class TpmVolumeKey : public EngineVolumeKey {
  protected:
    Swtpm tpm_;
};

TEST_F(TpmVolumeKey, ASealedKeyIsCarriedWithItsToken) {
    const std::vector<std::string> tpm{"--tcti", tpm_.tcti()};
    make("- {slot: 0, static: {passphrase: secret}}\n- {slot: 2, tpm: {}}", tpm);
    const std::string before = shape();
    ASSERT_THAT(before, HasSubstr("systemd-tpm2[\"2\"]"));
    const EngineResult done = engine("reencrypt", tpm);
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(shape(), before);
    std::vector<std::string> verify = tpm;
    verify.emplace_back("--verify");
    const EngineResult plan = engine("plan", verify);
    EXPECT_EQ(plan.exitCode, 0) << plan.last().dump();
    EXPECT_EQ(tpm_.leftovers(), "");
}

}  // namespace
}  // namespace volumecrypt::test

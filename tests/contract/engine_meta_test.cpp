// SPDX-License-Identifier: Apache-2.0
// STATE and META on plain files: the encryption of STATE goes into META and comes out of it; META's
// UUID; pins in STATE.
#include <filesystem>

#include <gmock/gmock.h>

#include "engine_meta_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Steps = std::vector<std::string>;

constexpr const char *kStateNodeId = "4c4c4544-0039-3010-8048-b7c04f384432STATE";
// As Talos 1.14 writes it for one nodeID key; 1.12 and before without the last field.
constexpr const char *kTalosNodeId =
    R"({"EncryptionProvider":"luks2","EncryptionKeys":[{"KeySlot":0,"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null}],"EncryptionCipher":"","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null,"EncryptionAllowDiscards":null})";
constexpr const char *kOlderNodeId =
    R"({"EncryptionProvider":"luks2","EncryptionKeys":[{"KeySlot":0,"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null}],"EncryptionCipher":"","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null})";

using EngineMetaTest = EngineMetaFixture;

TEST_F(EngineMetaTest, SyncSavesWhatIsDeclared) {
    formatted(kNodeIdKey);
    EXPECT_EQ(tag(9), kTalosNodeId);
    const std::string before = metaBytes();
    const std::string image = imageBytes();
    EXPECT_EQ(onState("sync").last().at("changed"), false);
    EXPECT_TRUE(metaBytes() == before && imageBytes() == image) << "nothing differed";
}

TEST_F(EngineMetaTest, StateIsOpenedByWhatMetaSays) {
    formatted(kNodeIdKey);
    declareState("");
    const EngineResult seen = onState("inspect");
    EXPECT_EQ(seen.last().at("state"), "locked");
    EXPECT_EQ(seen.last().at("slots").size(), 1U);
    const EngineResult synced = onState("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_EQ(synced.last().at("unlockedBySlot"), 0);
    EXPECT_EQ(onState("plan").exitCode, 0);
}

TEST_F(EngineMetaTest, StateIsFormattedByWhatTalosWrote) {
    setTag(9, kTalosNodeId);
    const std::string before = metaBytes();
    declareState("");
    EXPECT_EQ(onState("format").exitCode, 0);
    EXPECT_TRUE(opens(0, kStateNodeId));
    EXPECT_EQ(onState("sync").exitCode, 0);
    // What is declared is what it says.
    declareState(kNodeIdKey);
    EXPECT_EQ(onState("sync").exitCode, 0);
    EXPECT_TRUE(metaBytes() == before);
    // As Talos does, other words for the same are replaced, once.
    setTag(9, kOlderNodeId);
    EXPECT_EQ(onState("sync").exitCode, 0);
    EXPECT_TRUE(metaBytes() == before);
}

TEST_F(EngineMetaTest, ConfigurationWins) {
    formatted(kNodeIdKey);
    setTag(10, "network");
    declareState("{keys: [{slot: 0, nodeID: {}}, {slot: 3, static: {passphrase: s3cret}}]}");
    const EngineResult synced = onState("sync");
    EXPECT_EQ(synced.steps(), Steps{"add 3"});
    EXPECT_THAT(tag(9), HasSubstr(R"("KeyStatic":{"KeyData":"s3cret"})"));
    EXPECT_EQ(tag(10), "network");
    const std::string shown = onState("inspect").last().at("meta").dump();
    EXPECT_THAT(shown, HasSubstr("(hidden)"));
    EXPECT_THAT(shown, Not(HasSubstr("s3cret")));
    EXPECT_THAT(shown, Not(HasSubstr("network"))) << "what is not known to be public is not shown";
}

TEST_F(EngineMetaTest, PassphrasesInMetaAreWarnedOfEveryTime) {
    const auto warnings = [this](const std::string &verb) {
        std::string text;
        for (const auto &line : onState(verb).lines)
            if (line.at("type") == "warning") text += line.at("message").get<std::string>();
        return text;
    };
    const std::string file = directory_.write("state-key", "s3cret", std::filesystem::perms{0600});
    formatted("{keys: [{slot: 3, static: {passphraseFile: " + file + "}}]}");
    EXPECT_THAT(warnings("sync"), HasSubstr("META can hold none of its keys"));
    EXPECT_EQ(tag(9), "(absent)") << "a file's name is not for the disk to know";
    declareState("{keys: [{slot: 3, static: {passphrase: s3cret}}]}");
    const auto inTheOpen =
        AllOf(HasSubstr("META keeps this static passphrase in the open"), Not(HasSubstr("s3cret")));
    EXPECT_THAT(warnings("plan"), inTheOpen) << "before it is written";
    EXPECT_THAT(warnings("sync"), inTheOpen);
    EXPECT_THAT(warnings("sync"), inTheOpen) << "when nothing is written";
    declareState("");
    EXPECT_THAT(warnings("sync"), inTheOpen) << "when META alone says it";
    std::filesystem::remove(meta_);
    declareState("{keys: [{slot: 3, static: {passphrase: s3cret}}]}");
    EXPECT_EQ(warnings("sync"), "");
}

TEST_F(EngineMetaTest, NullAndNothingAreAPlainState) {
    for (const bool null : {false, true}) {
        if (null) setTag(9, "null");
        declareState("");
        EXPECT_EQ(onState("plan").last().at("state"), "blank");
        EXPECT_EQ(onState("format").code(), "Unsupported") << "there is no header to write";
    }
    formatted(kNodeIdKey);
    setTag(9, "null");
    declareState("");
    const EngineResult refused = onState("plan");
    EXPECT_EQ(refused.code(), "EncryptedNotDeclared");
    // `provider: none` is a word of the configuration.
    setTag(9, kTalosNodeId);
    declareState("{provider: none}");
    EXPECT_EQ(onState("plan").code(), "EncryptedNotDeclared");
}

TEST_F(EngineMetaTest, DamagedMetaIsNotTakenForNothing) {
    declareState("");
    ASSERT_TRUE(base::writeFileAtomically(meta_, "rubbish" + std::string(1 << 20, '\0'), 0600));
    EXPECT_EQ(onState("plan").code(), "HeaderCorrupt");
    ASSERT_TRUE(base::writeFileAtomically(meta_, std::string(1 << 20, '\0'), 0600));
    setTag(9, "{\"EncryptionProvider\":\"luks2\"}");
    const EngineResult refused = onState("format");
    EXPECT_EQ(refused.code(), "HeaderCorrupt");
    EXPECT_THAT(refused.last().at("message").get<std::string>(),
                HasSubstr("error unmarshalling state encryption meta key"));
    EXPECT_EQ(imageBytes().find_first_not_of('\0'), std::string::npos);
}

TEST_F(EngineMetaTest, WipeOfStateClearsItsEntryOnly) {
    formatted(kNodeIdKey);
    setTag(10, "network");
    EXPECT_EQ(onState("wipe", {"--confirm", "STATE"}).exitCode, 0);
    EXPECT_EQ(tag(9), "(absent)");
    EXPECT_EQ(tag(10), "network");
}

TEST_F(EngineMetaTest, WithoutMetaNothingIsMissed) {
    std::filesystem::remove(meta_);
    formatted(kNodeIdKey);
    EXPECT_EQ(onState("inspect").last().at("meta"), nullptr);
    EXPECT_FALSE(std::filesystem::exists(meta_));
}

TEST_F(EngineMetaTest, UuidOfMetaIsThatOfNodeIdKeys) {
    setTag(15, "11223344-5566-7788-99aa-bbccddeeff00");
    formatted(kNodeIdKey);
    EXPECT_TRUE(opens(0, "11223344-5566-7788-99aa-bbccddeeff00STATE"));
    // And those of other volumes.
    const std::string state = image_;
    image_ = directory_.path() + "/data";
    makeImage();
    writeConfig(
        "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nvolume: {device: " + state +
        ", meta: " + meta_ + "}\nencryption: " + kNodeIdKey +
        "\n---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
        image_ + "}\nencryption: " + kNodeIdKey + "\n");
    EXPECT_EQ(engine("format").exitCode, 0);
    EXPECT_TRUE(opens(0, "11223344-5566-7788-99aa-bbccddeeff00u-data"));
}

class EngineStatePinTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 1, static: {passphrase: oldkey}}");
        std::string yaml = *base::readFile(configDir_ + "/volumes.yaml");
        writeConfig(yaml +
                    "---\napiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\n"
                    "encryption: {keys: [{nodeID: {}}]}\n");
        std::filesystem::create_directories(root_ + "/system/state");
        makeVolume();
    }
    void makeVolume() {
        makeImage();
        ASSERT_EQ(
            cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "argon2id",
                        "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32", "--pbkdf-parallel",
                        "1", "--key-slot", "1", "--key-file", "-", image_},
                       "oldkey")
                .exitCode,
            0);
    }
    [[nodiscard]] std::string rootPin() const {
        return root_ + "/etc/volumecrypt/state/pins/u-data.json";
    }
    [[nodiscard]] std::string statePin() const {
        return root_ + "/system/state/volumecrypt/pins/u-data.json";
    }
};

TEST_F(EngineStatePinTest, StateRemembersVolumesToo) {
    ASSERT_EQ(engine("sync").exitCode, 0);
    ASSERT_TRUE(std::filesystem::exists(rootPin()));
    EXPECT_EQ(*base::readFile(statePin()), *base::readFile(rootPin()));
    // A root file system that was made anew remembers nothing; STATE does.
    std::filesystem::remove(rootPin());
    ASSERT_EQ(engine("sync").exitCode, 0);
    EXPECT_TRUE(std::filesystem::exists(rootPin()));
    std::filesystem::remove(rootPin());
    makeVolume();
    const EngineResult foreign = engine("sync");
    EXPECT_EQ(foreign.code(), "ForeignVolume");
    EXPECT_THAT(foreign.last().at("message").get<std::string>(), HasSubstr(statePin()));
    EXPECT_EQ(engine("forget", {"--confirm", "u-data"}).exitCode, 0);
    EXPECT_FALSE(std::filesystem::exists(statePin()));
    EXPECT_EQ(engine("sync").exitCode, 0);
}

TEST_F(EngineStatePinTest, WithoutStateThereIsOnePin) {
    std::filesystem::remove_all(root_ + "/system");
    ASSERT_EQ(engine("sync").exitCode, 0);
    EXPECT_TRUE(std::filesystem::exists(rootPin()));
    EXPECT_FALSE(std::filesystem::exists(statePin()));
}

}  // namespace
}  // namespace volumecrypt::test

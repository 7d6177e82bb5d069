// SPDX-License-Identifier: Apache-2.0
// Volumes with tpm keys: the real engine, a real TPM (swtpm), plain files, and cryptsetup's view of
// the header.
#include <filesystem>

#include "base/files.h"
#include "engine_tpm_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

TEST_F(EngineTpmTest, FormatSealsAKey) {
    formatted();
    const auto found = tokens();
    ASSERT_EQ(found.size(), 1U);
    const nlohmann::json &token = found.begin()->second;
    EXPECT_EQ(token.at("type"), "systemd-tpm2");
    EXPECT_EQ(token.at("keyslots"), nlohmann::json::array({"0"}));
    EXPECT_EQ(token.at("tpm2-pcrs"), nlohmann::json::array({7}));
    // The highest id that is neither declared nor the record's.
    EXPECT_EQ(found.begin()->first, "31");
    const nlohmann::json kdf = header().at("keyslots").at("0").at("kdf");
    EXPECT_EQ(kdf.at("type"), "argon2id");
    EXPECT_EQ(kdf.at("memory"), 32);
    const EngineResult seen = run("inspect");
    EXPECT_EQ(seen.last().at("slots")[0].at("kind"), "tpm");
    EXPECT_EQ(seen.last().at("slots")[0].at("tokenId"), 31);
}

TEST_F(EngineTpmTest, TheTpmOpensItFirst) {
    formatted("- {slot: 0, static: {passphrase: other}}\n- {slot: 1, tpm: {}}");
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(openedBy(sync), "1");
    EXPECT_EQ(sync.last().at("changed"), false);
    EXPECT_EQ(run("plan").exitCode, 0);
    EXPECT_EQ(run("sync", {"--verify"}).last().at("changed"), false);
}

TEST_F(EngineTpmTest, OnlyATpmKey) {
    formatted("- {slot: 0, tpm: {}}");
    EXPECT_EQ(openedBy(run("sync")), "0");
    tpm_.extend(7, "changed");
    const EngineResult failed = run("sync");
    EXPECT_EQ(failed.code(), "PcrMismatch");
    EXPECT_THAT(failed.last().at("message").get<std::string>(), HasSubstr("PCR 7 changed"));
}

TEST_F(EngineTpmTest, KeysComeAndGo) {
    formatted("- {slot: 1, static: {passphrase: other}}");
    declare(kTpmAndStatic);
    EXPECT_EQ(run("plan").steps(), Steps{"add 0"});
    const EngineResult added = run("sync");
    EXPECT_EQ(added.exitCode, 0) << added.last().dump();
    EXPECT_EQ(added.steps(), Steps{"add 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
    // Another kind in the slot: the token goes with the key.
    declare("- {slot: 0, static: {passphrase: third}}\n- {slot: 1, static: {passphrase: other}}");
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(tokens().empty()) << header().at("tokens").dump();
    declare(kTpmAndStatic);
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    EXPECT_EQ(tokens().size(), 1U);
    EXPECT_EQ(openedBy(run("sync")), "0");
    declare("- {slot: 1, static: {passphrase: other}}");
    EXPECT_EQ(run("sync").steps(), Steps{"remove 0"});
    EXPECT_TRUE(tokens().empty()) << header().at("tokens").dump();
}

TEST_F(EngineTpmTest, ChangedPcrListIsSealedAnew) {
    tpm_.extend(0, "firmware");
    formatted();
    declare(
        "- {slot: 0, tpm: {options: {pcrs: [7, 0]}}}\n- {slot: 1, static: {passphrase: other}}");
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    ASSERT_EQ(tokens().size(), 1U);
    EXPECT_EQ(tokens().begin()->second.at("tpm2-pcrs"), nlohmann::json::array({0, 7}));
    EXPECT_EQ(openedBy(run("sync")), "0");
    EXPECT_EQ(run("plan").exitCode, 0);
}

TEST_F(EngineTpmTest, ChangedPcrHeals) {
    formatted();
    tpm_.extend(7, "dbx update");
    const EngineResult plan = run("plan");
    EXPECT_EQ(plan.exitCode, 2);
    EXPECT_EQ(plan.steps(), Steps{"replace 0"});
    EXPECT_EQ(reasonOf(plan, 0), "re-seal: PCR 7 changed");
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(openedBy(sync), "1");
    EXPECT_EQ(openedBy(run("sync")), "0");
    EXPECT_EQ(run("plan").exitCode, 0);
    EXPECT_EQ(tokens().size(), 1U);
    // The first state does not open it any more.
    tpm_.restart();
    EXPECT_EQ(openedBy(run("plan")), "\"\"");
    EXPECT_EQ(reasonOf(run("plan"), 0), "re-seal: PCR 7 changed");
}

TEST_F(EngineTpmTest, AWeakerKeyDoesNotHeal) {
    const std::string keys = "- {slot: 0, tpm: {}}\n- {slot: 1, nodeID: {}}";
    formatted(keys);
    tpm_.extend(7, "another system");
    const std::string before = imageBytes();
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"defer 0"});
    EXPECT_THAT(reasonOf(sync, 0), HasSubstr("nodeID"));
    EXPECT_TRUE(imageBytes() == before);
    declare(keys, "tpmReseal: auto");
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
}

TEST_F(EngineTpmTest, HealingByHandOnly) {
    formatted(kTpmAndStatic, "tpmReseal: manual");
    tpm_.extend(7, "update");
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.steps(), Steps{"defer 0"});
    EXPECT_THAT(reasonOf(sync, 0), HasSubstr("tpmReseal is manual"));
}

TEST_F(EngineTpmTest, TokensOfSystemdAreLeftAlone) {
    formatted();
    ASSERT_TRUE(base::writeFileAtomically(directory_.path() + "/key", "other", 0600));
    const ProcessResult enrolled = Process{
        .argv = {"systemd-cryptenroll", "--unlock-key-file", directory_.path() + "/key",
                 "--tpm2-device", tpm_.tcti(), "--tpm2-pcrs=0+7", image_},
        .input = {},
        .secret = {}}.run();
    ASSERT_EQ(enrolled.exitCode, 0) << enrolled.err;
    // Systemd 252 leaves a session behind.
    (void)tpm_.tool({"tpm2_flushcontext", "-l"});
    ASSERT_EQ(tokens().size(), 2U);
    const auto before = tokens();
    const EngineResult seen = run("inspect");
    const auto &slot = seen.last().at("slots")[2];
    EXPECT_EQ(slot.at("slot"), 2);
    EXPECT_EQ(slot.at("kind"), "tpm");
    EXPECT_EQ(slot.at("managed"), false);
    tpm_.extend(7, "update");
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    for (const auto &[id, token] : before) {
        if (token.at("keyslots") != nlohmann::json::array({"2"})) continue;
        EXPECT_EQ(tokens().at(id), token);
    }
    EXPECT_EQ(tokens().size(), 2U);
}

TEST_F(EngineTpmTest, Report) {
    formatted();
    EngineResult report = run("tpm");
    EXPECT_EQ(report.exitCode, 0);
    EXPECT_EQ(report.last().at("tpm").at("storageRoot"), "ecc");
    ASSERT_EQ(report.last().at("keys").size(), 1U);
    EXPECT_EQ(report.last().at("keys")[0].at("volume"), "u-data");
    EXPECT_EQ(report.last().at("keys")[0].at("slot"), 0);
    EXPECT_EQ(report.last().at("keys")[0].at("opens"), true);
    tpm_.extend(7, "update");
    report = run("tpm");
    EXPECT_EQ(report.exitCode, 0);
    EXPECT_EQ(report.last().at("keys")[0].at("opens"), false);
    EXPECT_EQ(report.last().at("keys")[0].at("error").at("code"), "PcrMismatch");
    const EngineResult none = engine("tpm");
    EXPECT_EQ(none.exitCode, 1);
    EXPECT_EQ(none.code(), "TpmUnavailable");
    EXPECT_EQ(engine("tpm", {"--tcti", tpm_.tcti()}, {}, "u-other").code(), "NotFound");
    // The keys say which TPM it is.
    declare("- {slot: 0, tpm: {tcti: \"" + tpm_.tcti() +
            "\"}}\n- {slot: 1, static: {passphrase: "
            "other}}");
    const EngineResult declared = engine("tpm");
    EXPECT_EQ(declared.exitCode, 0) << declared.last().dump();
    EXPECT_EQ(declared.last().at("tpm").at("tcti"), tpm_.tcti());
    // For people, of all volumes.
    const ProcessResult text = Process{
        .argv = {VOLUMECRYPT_ENGINE, "tpm", "--config-dir", configDir_, "--root", root_, "--tcti",
                 tpm_.tcti()},
        .input = {},
        .secret = {}}.run();
    EXPECT_EQ(text.exitCode, 0) << text.err;
    EXPECT_THAT(text.out, HasSubstr("u-data, slot 0: PcrMismatch: PCR 7 changed"));
    EXPECT_THAT(text.out, HasSubstr("Lockout: no"));
}

// Its passphrase is the sealed secret and STATE's salt: systemd must not take it for one of its.
TEST_F(EngineTpmTest, LockedToState) {
    std::filesystem::create_directories(root_ + "/system/state");
    writeConfig(
        "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nencryption: {keys: [{nodeID: "
        "{}}]}\n---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: "
        "{device: " +
        image_ +
        "}\nfilesystem: {type: ext4}\nencryption: {keys: [{slot: 0, tpm: {}, lockToState: true}, "
        "{slot: 1, static: {passphrase: other}}]}\n");
    ASSERT_EQ(run("format").exitCode, 0);
    ASSERT_EQ(tokens().size(), 1U);
    EXPECT_EQ(tokens().begin()->second.at("type"), "volumecrypt-tpm2");
    EXPECT_EQ(tokens().begin()->second.at("keyslots"), nlohmann::json::array({"0"}));
    EXPECT_EQ(openedBy(run("sync")), "0");
    tpm_.extend(7, "update");
    EXPECT_EQ(reasonOf(run("plan"), 0), "re-seal: PCR 7 changed");
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    ASSERT_EQ(tokens().size(), 1U);
    EXPECT_EQ(tokens().begin()->second.at("type"), "volumecrypt-tpm2");
    EXPECT_EQ(openedBy(run("sync")), "0");
    // Without STATE the TPM gives its part, and that is not enough.
    std::filesystem::remove_all(root_ + "/system");
    EXPECT_EQ(openedBy(run("sync")), "1");
}

TEST_F(EngineTpmTest, RotateMakesANewKey) {
    formatted();
    const auto before = tokens();
    const std::string area = header().at("keyslots").at("0").dump();
    const EngineResult rotated = run("rotate", {"--slot", "0"});
    ASSERT_EQ(rotated.exitCode, 0) << rotated.last().dump();
    EXPECT_EQ(rotated.steps(), Steps{"replace 0"});
    EXPECT_EQ(rotated.last().at("slot"), 0);
    const auto after = tokens();
    ASSERT_EQ(after.size(), 1U);
    EXPECT_NE(after.begin()->second.at("tpm2-blob"), before.begin()->second.at("tpm2-blob"));
    EXPECT_NE(header().at("keyslots").at("0").dump(), area);
    EXPECT_EQ(openedBy(run("sync")), "0");
    EXPECT_EQ(run("plan").exitCode, 0);
    EXPECT_EQ(header().at("keyslots").size(), 2U);
}

TEST_F(EngineTpmTest, RotateRefusesWhatItDidNotMake) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult typed = run("rotate", {"--slot", "1"});
    EXPECT_EQ(typed.code(), "InvalidConfig");
    EXPECT_THAT(typed.last().at("message").get<std::string>(), HasSubstr("static"));
    EXPECT_THAT(typed.last().at("hint").get<std::string>(), HasSubstr("apply"));
    EXPECT_EQ(run("rotate", {"--slot", "9"}).code(), "NotFound");
    EXPECT_EQ(run("rotate").exitCode, 64);
    EXPECT_EQ(run("sync", {"--slot", "1"}).exitCode, 64);
    EXPECT_TRUE(imageBytes() == before);
}

}  // namespace
}  // namespace volumecrypt::test

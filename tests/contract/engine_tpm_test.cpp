// SPDX-License-Identifier: Apache-2.0
// Volumes with tpm keys: the real engine, a real TPM (swtpm), plain files, and cryptsetup's view of
// the header.
#include <map>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/swtpm.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using Steps = std::vector<std::string>;
using ::testing::HasSubstr;

constexpr const char *kBoth = "- {slot: 0, tpm: {}}\n- {slot: 1, static: {passphrase: other}}";

class EngineTpmTest : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(); }
    void TearDown() override { EXPECT_EQ(tpm_.leftovers(), ""); }

    EngineResult run(const std::string &verb, std::vector<std::string> more = {},
                     std::optional<std::string> secret = {}) const {
        more.insert(more.end(), {"--tcti", tpm_.tcti()});
        return engine(verb, std::move(more), std::move(secret));
    }
    void formatted(const std::string &keys = kBoth, const std::string &extra = "") {
        declare(keys, extra);
        const EngineResult result = run("format");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
    }
    nlohmann::json header() const {
        return nlohmann::json::parse(cryptsetup({"luksDump", "--dump-json-metadata", image_}).out);
    }
    // id -> token, without our record.
    std::map<std::string, nlohmann::json> tokens() const {
        std::map<std::string, nlohmann::json> found;
        const nlohmann::json json = header();
        for (const auto &[id, token] : json.at("tokens").items())
            if (token.at("type") != "volumecrypt") found[id] = token;
        return found;
    }
    // The slot whose key opened the volume, or the error.
    std::string openedBy(const EngineResult &result) const {
        return result.last().value("unlockedBySlot", nlohmann::json(result.code())).dump();
    }
    std::string reasonOf(const EngineResult &result, unsigned slot) const {
        for (const auto &line : result.lines)
            if (line.at("type") == "step" && line.at("slot") == slot)
                return line.at("reason").get<std::string>();
        return "";
    }

    Swtpm tpm_;
};

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

// Loading tpm2-tss costs more than opening a volume by a static key.
TEST_F(EngineTpmTest, LibrariesAreLoadedForTpmKeysOnly) {
    environment_.emplace_back("LD_DEBUG=files");
    const std::string statics = "- {slot: 0, static: {passphrase: other}}\n- {slot: 1, nodeID: {}}";
    declare(statics);
    const auto loadedBy = [&](const std::string &verb) {
        const EngineResult result = run(verb);
        EXPECT_EQ(result.exitCode, 0) << verb << result.last().dump();
        EXPECT_THAT(result.err, HasSubstr("libcryptsetup.so")) << "the loader says nothing";
        return result.err.find("libtss2") != std::string::npos;
    };
    for (const char *verb : {"format", "inspect", "plan", "sync"}) EXPECT_FALSE(loadedBy(verb));
    declare(statics + "\n- {slot: 2, tpm: {}}");
    EXPECT_TRUE(loadedBy("sync"));
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
    declare(kBoth);
    EXPECT_EQ(run("plan").steps(), Steps{"add 0"});
    const EngineResult added = run("sync");
    EXPECT_EQ(added.exitCode, 0) << added.last().dump();
    EXPECT_EQ(added.steps(), Steps{"add 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
    // Another kind in the slot: the token goes with the key.
    declare("- {slot: 0, static: {passphrase: third}}\n- {slot: 1, static: {passphrase: other}}");
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(tokens().empty()) << header().at("tokens").dump();
    declare(kBoth);
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
    formatted(kBoth, "tpmReseal: manual");
    tpm_.extend(7, "update");
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.steps(), Steps{"defer 0"});
    EXPECT_THAT(reasonOf(sync, 0), HasSubstr("tpmReseal is manual"));
}

TEST_F(EngineTpmTest, OtherTpm) {
    formatted();
    tpm_.clear();
    const EngineResult plan = run("plan");
    EXPECT_EQ(plan.steps(), Steps{"replace 0"});
    EXPECT_THAT(reasonOf(plan, 0), HasSubstr("another one"));
    declare("- {slot: 0, tpm: {}}");
    EXPECT_THAT(run("sync").last().at("message").get<std::string>(),
                HasSubstr("sealed by another TPM"));
    declare(kBoth);
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
}

TEST_F(EngineTpmTest, NoTpmIsNoReasonToChangeAnything) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult sync = engine("sync", {"--tcti", "swtpm:path=/nonexistent/socket"});
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(openedBy(sync), "1");
    EXPECT_EQ(sync.steps(), Steps{});
    EXPECT_THAT(reasonOf(sync, 0), HasSubstr("unverified"));
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineTpmTest, MissingTokenIsMadeAgain) {
    formatted();
    ASSERT_EQ(cryptsetup({"token", "remove", "--token-id", "31", image_}).exitCode, 0);
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"replace 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
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

TEST_F(EngineTpmTest, RecordThatIsGoneIsMadeAgain) {
    formatted();
    const nlohmann::json json = header();
    for (const auto &[id, token] : json.at("tokens").items()) {
        if (token.at("type") != "volumecrypt") continue;
        ASSERT_EQ(cryptsetup({"token", "remove", "--token-id", id, image_}).exitCode, 0);
    }
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), (Steps{"adopt 0", "adopt 1"}));
    EXPECT_EQ(run("plan").exitCode, 0);
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

// Whatever command fails, there is a whole key with its token or none at all.
TEST_F(EngineTpmTest, FaultyTpmLeavesNoHalfKey) {
    formatted("- {slot: 1, static: {passphrase: other}}");
    declare(kBoth);
    const std::string blank = imageBytes();
    const std::string counter = directory_.path() + "/count";
    const auto proxy = [&](int nth) {
        return std::string("cmd:" TPM_PROXY " ") + tpm_.socket() + " " + std::to_string(nth) +
               " noise " + counter;
    };
    ASSERT_EQ(engine("sync", {"--tcti", proxy(0)}).exitCode, 0);
    ASSERT_EQ(tokens().size(), 1U);
    // Of the connection with the most commands: seal.
    int failures = 0;
    for (int nth = 1; nth <= 16; ++nth) {
        ASSERT_TRUE(base::writeFileAtomically(image_, blank, 0600));
        const EngineResult result = engine("sync", {"--tcti", proxy(nth)});
        failures += result.exitCode != 0 || result.steps() != Steps{"add 0"} ? 1 : 0;
        const bool whole = header().at("keyslots").contains("0");
        EXPECT_EQ(tokens().size(), whole ? 1U : 0U) << nth;
        EXPECT_TRUE(opens(1, "other")) << nth;
        const EngineResult after = run("sync");
        EXPECT_EQ(after.exitCode, 0) << nth << after.last().dump();
        EXPECT_EQ(openedBy(run("plan")), "\"\"") << nth;
        EXPECT_EQ(run("plan").exitCode, 0) << nth;
        EXPECT_EQ(openedBy(run("sync")), "0") << nth;
    }
    EXPECT_GT(failures, 5);
}

TEST_F(EngineTpmTest, FullHeader) {
    std::string keys;
    for (int slot = 0; slot < 31; ++slot)
        keys += "- {slot: " + std::to_string(slot) + ", tpm: {}}\n";
    keys += "- {slot: 31, static: {passphrase: other}}";
    formatted(keys);
    EXPECT_EQ(tokens().size(), 31U);
    tpm_.extend(7, "update");
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps().size(), 31U);
    EXPECT_EQ(openedBy(run("sync")), "0");
    EXPECT_EQ(tokens().size(), 31U);
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

TEST_F(EngineTpmTest, RotateWithoutATpmChangesNothing) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult failed =
        engine("rotate", {"--slot", "0", "--tcti", "swtpm:path=" + directory_.path() + "/none"});
    EXPECT_EQ(failed.exitCode == 1 || failed.exitCode == 75, true);
    EXPECT_EQ(failed.code(), "TpmUnavailable");
    EXPECT_TRUE(imageBytes() == before);
}

}  // namespace
}  // namespace volumecrypt::test

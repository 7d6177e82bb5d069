// SPDX-License-Identifier: Apache-2.0
// A volume with a tpm key over D-Bus: the real daemon, the real engine and a real TPM (swtpm),
// without a resource manager. After every operation nothing may be left in the TPM.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client.h"
#include "support/process.h"
#include "support/swtpm.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using Slot = sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>;
using FailedSync = sdbus::Struct<std::uint32_t, std::string>;

constexpr const char *kTpmAndStatic = "tpm: {tcti: \"TCTI\"}|static: {passphrase: other}";

class TpmVolume : public ::testing::Test {
  protected:
    void SetUp() override {
        image_ = daemon_.makeImage("data");
        declare(kTpmAndStatic);
        daemon_.start();
        client_.listen();
    }
    void TearDown() override { EXPECT_EQ(tpm_.leftovers(), ""); }

    // `keys`: for the slots from 0 on, separated by |; TCTI stands for the TPM's interface.
    void declare(const std::string &keys, const std::string &extra = "") {
        std::string yaml = daemon_.userVolume("data", {});
        if (!extra.empty()) yaml.insert(yaml.find("  keys:"), "  " + extra + "\n");
        int slot = 0;
        for (std::size_t at = 0; at != std::string::npos;) {
            const std::size_t end = keys.find('|', at);
            std::string key = keys.substr(at, end == std::string::npos ? end : end - at);
            if (const auto tcti = key.find("TCTI"); tcti != std::string::npos)
                key.replace(tcti, 4, tpm_.tcti());
            yaml += "    - {slot: " + std::to_string(slot++) + ", " + key + "}\n";
            at = end == std::string::npos ? end : end + 1;
        }
        daemon_.configure("data.yaml", yaml);
    }
    void declareAgain(const std::string &keys, const std::string &extra = "") {
        declare(keys, extra);
        ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    }
    template <typename... Arguments>
    Finished job(const char *method, const Arguments &...arguments) {
        Finished done = client_.runJob(data_, kVolume, method, arguments...);
        EXPECT_EQ(tpm_.leftovers(), "") << "after " << method;
        return done;
    }
    void format() {
        const Finished done = job("Format", Options{{"confirm", sdbus::Variant("u-data")}});
        ASSERT_TRUE(done.success) << done.error << ": " << done.message;
    }
    void sync() {
        const Finished done = job("Sync", Options());
        ASSERT_TRUE(done.success) << done.error << ": " << done.message;
    }
    // "replace 0: re-seal: PCR 7 changed": the steps other than keep.
    std::vector<std::string> plan() {
        std::vector<Options> steps;
        EXPECT_EQ(client_.get(steps, data_, kVolume, "Plan"), "");
        EXPECT_EQ(tpm_.leftovers(), "") << "after Plan";
        std::vector<std::string> list;
        for (const Options &step : steps) {
            const auto action = step.at("action").get<std::string>();
            if (action != "keep")
                list.push_back(action + " " + std::to_string(step.at("slot").get<std::uint32_t>()) +
                               ": " + step.at("reason").get<std::string>());
        }
        return list;
    }
    std::vector<Slot> slots() {
        return client_.property<std::vector<Slot>>(data_, kVolume, "KeySlots");
    }
    nlohmann::json header() const {
        const Process dump{.argv = {"cryptsetup", "luksDump", "--dump-json-metadata", image_},
                           .input = {},
                           .secret = {}};
        return nlohmann::json::parse(dump.run().out);
    }
    // The sealed keys of slot 0.
    std::vector<std::string> sealed() const {
        std::vector<std::string> blobs;
        const nlohmann::json json = header();
        for (const auto &[id, token] : json.at("tokens").items())
            if (token.at("type") == "systemd-tpm2" &&
                token.at("keyslots") == nlohmann::json::array({"0"}))
                blobs.push_back(token.at("tpm2-blob"));
        return blobs;
    }
    // What the engine says when it is asked by `volumecryptctl tpm`.
    nlohmann::json report() const {
        const ProcessResult run = Process{
            .argv = {ENGINE_PROGRAM, "tpm", "--root", daemon_.root(), "--config-dir",
                     daemon_.folder().file("config"), "--tcti", tpm_.tcti(), "--output", "json"},
            .input = {},
            .secret = {}}.run();
        EXPECT_EQ(tpm_.leftovers(), "") << "after the report";
        return nlohmann::json::parse(run.out).at("keys").at(0);
    }

    TestBus bus_{Polkit::Absent};
    Swtpm tpm_;
    TestDaemon daemon_{Engine::Real};
    Client client_;
    std::string data_ = volumePath("u-data");
    std::string image_;
};

TEST_F(TpmVolume, IsSealedAndShown) {
    format();
    ASSERT_TRUE(client_.waitFor([&] { return slots().size() == 2; }));
    EXPECT_EQ(slots()[0], Slot(0U, "tpm", true, false, "ok"));
    EXPECT_EQ(slots()[1], Slot(1U, "static", true, false, "ok"));
    EXPECT_EQ(sealed().size(), 1U);
    EXPECT_EQ(plan(), std::vector<std::string>{});
    EXPECT_EQ(report().at("opens"), true);
}

TEST_F(TpmVolume, ADeclaredKeyIsSealedBySync) {
    declareAgain("tpm: {tcti: \"swtpm:path=/nonexistent\"}|static: {passphrase: other}");
    format();
    EXPECT_EQ(sealed().size(), 0U);
    declareAgain(kTpmAndStatic);
    const auto wanted = plan();
    ASSERT_EQ(wanted.size(), 1U);
    EXPECT_THAT(wanted[0], HasSubstr("add 0: "));
    sync();
    EXPECT_EQ(sealed().size(), 1U);
    EXPECT_EQ(plan(), std::vector<std::string>{});
    EXPECT_TRUE(client_.waitFor([&] {
        const auto now = slots();
        return now.size() == 2 && now[0] == Slot(0U, "tpm", true, false, "ok");
    }));
    EXPECT_EQ(client_.property<bool>(data_, kVolume, "Degraded"), false);
}

TEST_F(TpmVolume, RotateKeySealsAnotherSecret) {
    format();
    const auto before = sealed();
    const Finished done = job("RotateKey", 0U, Options());
    ASSERT_TRUE(done.success) << done.error << ": " << done.message;
    ASSERT_EQ(sealed().size(), 1U);
    EXPECT_NE(sealed(), before);
    EXPECT_EQ(header().at("keyslots").size(), 2U);
    EXPECT_EQ(report().at("opens"), true);
    EXPECT_EQ(job("Sync", Options{{"verify", sdbus::Variant(true)}}).success, true);
}

TEST_F(TpmVolume, AChangedPcrHeals) {
    format();
    const auto before = sealed();
    tpm_.extend(7, "dbx update");
    EXPECT_EQ(report().at("error").at("code"), "PcrMismatch");
    EXPECT_EQ(plan(), std::vector<std::string>{"replace 0: re-seal: PCR 7 changed"});
    EXPECT_EQ(sealed(), before) << "Plan changed the volume";
    const Finished done = job("Sync", Options());
    ASSERT_TRUE(done.success) << done.error << ": " << done.message;
    EXPECT_THAT(done.message, HasSubstr("replaced slot 0 (tpm)"));
    EXPECT_NE(sealed(), before);
    EXPECT_EQ(plan(), std::vector<std::string>{});
    EXPECT_EQ(report().at("opens"), true);
}

TEST_F(TpmVolume, HealsOnlyWhenToldWhereThatIsDeclared) {
    declareAgain(kTpmAndStatic, "tpmReseal: manual");
    format();
    const auto before = sealed();
    tpm_.extend(7, "dbx update");
    const auto wanted = plan();
    ASSERT_EQ(wanted.size(), 1U);
    EXPECT_THAT(wanted[0], HasSubstr("defer 0: "));
    EXPECT_THAT(wanted[0], HasSubstr("PCR 7 changed"));
    sync();
    EXPECT_EQ(sealed(), before);
    const auto failed = client_.property<std::vector<FailedSync>>(data_, kVolume, "FailedSyncs");
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].get<0>(), 0U);
    EXPECT_THAT(failed[0].get<1>(), HasSubstr("PCR 7 changed"));
    // By hand.
    ASSERT_TRUE(job("RotateKey", 0U, Options()).success);
    EXPECT_NE(sealed(), before);
    EXPECT_EQ(report().at("opens"), true);
}

TEST_F(TpmVolume, AnotherTpmIsForeign) {
    format();
    const auto before = sealed();
    tpm_.clear();
    EXPECT_EQ(report().at("error").at("code"), "ForeignTpm");
    // Nothing else opens it: the error is the TPM's.
    declareAgain("tpm: {tcti: \"TCTI\"}");
    const Finished alone = job("Sync", Options());
    EXPECT_FALSE(alone.success);
    EXPECT_THAT(alone.error, HasSubstr("ForeignTpm"));
    EXPECT_THAT(alone.message, HasSubstr("u-data"));
    const auto last =
        client_.property<sdbus::Struct<std::string, std::string>>(data_, kVolume, "LastError");
    EXPECT_EQ(last.get<0>(), "ForeignTpm");
    EXPECT_EQ(sealed(), before);
    declareAgain(kTpmAndStatic);
    EXPECT_EQ(plan(), std::vector<std::string>{
                          "replace 0: re-seal: the TPM is another one, or was cleared"});
    sync();
    EXPECT_NE(sealed(), before);
    EXPECT_EQ(report().at("opens"), true);
}

TEST_F(TpmVolume, WithoutItsTpmNothingIsChanged) {
    format();
    const std::string key = "tpm: {tcti: \"swtpm:path=" + daemon_.folder().file("none") + "\"}";
    declareAgain(key + "|static: {passphrase: other}");
    const auto before = sealed();
    const Finished rotated = job("RotateKey", 0U, Options());
    EXPECT_FALSE(rotated.success);
    EXPECT_THAT(rotated.error, HasSubstr("TpmUnavailable"));
    EXPECT_EQ(sealed(), before);
    declareAgain(key);
    const Finished alone = job("Sync", Options());
    EXPECT_FALSE(alone.success);
    EXPECT_THAT(alone.error, HasSubstr("TpmUnavailable"));
    EXPECT_EQ(sealed(), before);
}

}  // namespace
}  // namespace volumecrypt::test

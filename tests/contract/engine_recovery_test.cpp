// SPDX-License-Identifier: Apache-2.0
// Recovery keys on plain files: as the distribution's tools see them, and as people type them.
#include <gmock/gmock.h>

#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Steps = std::vector<std::string>;

constexpr const char *kKey =
    "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc";
constexpr const char *kAsTyped =
    "CBDEFGHI jklnrtuv vutrnlkjihgfedbc\ncbdefghi-jklnrtuv-vutrnlkj-ihgfedbc\n";

class EngineRecoveryTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 0, nodeID: {}}");
        ASSERT_EQ(engine("format").exitCode, 0);
    }
    EngineResult addRecovery(const std::string &key) const {
        return engine("add-key", {"--kind", "recovery"}, key);
    }
    // Somebody else's machine: the declared key does not fit.
    void declareAnother() { declare("- {slot: 0, static: {passphrase: another}}"); }
};

TEST_F(EngineRecoveryTest, IsEnrolledAsSystemdDoesIt) {
    const EngineResult added = addRecovery(kAsTyped);
    ASSERT_EQ(added.exitCode, 0) << added.last().dump();
    const auto slot = added.last().at("slot").get<unsigned>();
    EXPECT_TRUE(opens(slot, kKey));
    EXPECT_THAT(dump(), HasSubstr("systemd-recovery\n\tKeyslot:    " + std::to_string(slot)));
    EXPECT_THAT(dump(), HasSubstr("Memory:     32\n")) << "a key of 256 random bits needs no more";
    const ProcessResult listed =
        Process{.argv = {"systemd-cryptenroll", image_}, .input = {}, .secret = {}}.run();
    EXPECT_THAT(listed.out, HasSubstr(std::to_string(slot) + " recovery")) << listed.err;
    const EngineResult seen = engine("inspect");
    for (const auto &entry : seen.last().at("slots"))
        if (entry.at("slot") == slot) {
            EXPECT_EQ(entry.at("kind"), "recovery");
            EXPECT_EQ(entry.at("health"), "unverified") << "as recorded; no key was tried";
        }
    EXPECT_EQ(engine("plan").exitCode, 0) << "a sync leaves it alone";
}

TEST_F(EngineRecoveryTest, OpensHoweverItIsTyped) {
    ASSERT_EQ(addRecovery(kKey).exitCode, 0);
    declareAnother();
    EXPECT_EQ(engine("sync").code(), "NoUsableKey");
    EXPECT_EQ(engine("sync", {}, std::string(kKey).substr(1)).code(), "KeyRejected");
    const EngineResult opened = engine("sync", {}, kAsTyped);
    EXPECT_EQ(opened.exitCode, 0) << opened.last().dump();
    EXPECT_EQ(opened.steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, "another"));
}

TEST_F(EngineRecoveryTest, WhatIsNoRecoveryKeyIsNotEnrolled) {
    const std::string before = imageBytes();
    EXPECT_EQ(addRecovery("a passphrase").code(), "InvalidConfig");
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineRecoveryTest, ItsTokenGoesWithIt) {
    const auto slot = addRecovery(kKey).last().at("slot").get<unsigned>();
    EXPECT_EQ(engine("remove-key", {"--slot", std::to_string(slot)}).exitCode, 0);
    EXPECT_THAT(dump(), Not(HasSubstr("systemd-recovery")));
    EXPECT_FALSE(opens(slot, kKey));
}

TEST_F(EngineRecoveryTest, KeyOfSystemdCryptenrollOpensToo) {
    const std::string keyFile = directory_.path() + "/key";
    ASSERT_TRUE(base::writeFileAtomically(keyFile, kNodeId, 0600));
    const ProcessResult made = Process{
        .argv = {"systemd-cryptenroll", "--recovery-key", "--unlock-key-file=" + keyFile, image_},
        .input = {},
        .secret = {}}.run();
    ASSERT_EQ(made.exitCode, 0) << made.err;
    const std::string key = made.out.substr(made.out.find_first_of("cbdefghijklnrtuv"), 71);
    declareAnother();
    EXPECT_EQ(engine("sync", {}, key).exitCode, 0) << made.out;
}

}  // namespace
}  // namespace volumecrypt::test

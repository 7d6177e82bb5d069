// SPDX-License-Identifier: Apache-2.0
// What runs that try keys say of each: `inspect`, which tries none, never calls a key ok.
#include <gmock/gmock.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;
using KeyHealth = std::map<unsigned, std::string>;

constexpr const char *kNodeAndStatic =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: oldkey}}";

class EngineKeyHealthTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare(kNodeAndStatic);
        made_ = engine("format");
        ASSERT_EQ(made_.exitCode, 0) << made_.last().dump();
    }
    static KeyHealth keysOf(const EngineResult &result) {
        KeyHealth keys;
        for (const auto &key : result.last().value("keys", nlohmann::json::array()))
            keys[key.at("slot").get<unsigned>()] = key.at("health").get<std::string>();
        return keys;
    }

    EngineResult made_;
};

TEST_F(EngineKeyHealthTest, EveryNewKeyWasProven) {
    EXPECT_THAT(keysOf(made_), ElementsAre(Pair(0, "ok"), Pair(1, "ok")));
}

TEST_F(EngineKeyHealthTest, InspectTriesNone) {
    const EngineResult seen = engine("inspect");
    EXPECT_THAT(keysOf(seen), ::testing::IsEmpty());
    for (const auto &slot : seen.last().at("slots")) EXPECT_EQ(slot.at("health"), "unverified");
}

TEST_F(EngineKeyHealthTest, SyncAndPlanCompareEveryKey) {
    EXPECT_THAT(keysOf(engine("sync")), ElementsAre(Pair(0, "ok"), Pair(1, "ok")));
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: newkey}}");
    EXPECT_THAT(keysOf(engine("plan")), ElementsAre(Pair(0, "ok"), Pair(1, "stale")));
    const EngineResult synced = engine("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_THAT(keysOf(synced), Contains(Pair(1, "ok"))) << "the new one was proven";
}

TEST_F(EngineKeyHealthTest, AFailureTellsWhichKeysDidNotOpen) {
    declare("- {slot: 1, static: {passphrase: other}}");
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "NoUsableKey");
    EXPECT_THAT(keysOf(refused), ElementsAre(Pair(1, "stale")));
}

TEST_F(EngineKeyHealthTest, AKeyThatCannotBeHadIsUnavailable) {
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphraseFile: /nonexistent/key}}");
    const EngineResult planned = engine("plan");
    EXPECT_THAT(keysOf(planned), ElementsAre(Pair(0, "ok"), Pair(1, "unavailable")));
}

TEST_F(EngineKeyHealthTest, AGivenSecretSaysNothingOfADeclaredKey) {
    declare("- {slot: 1, static: {passphraseFile: /nonexistent/key}}");
    const EngineResult planned = engine("plan", {}, "oldkey");
    EXPECT_THAT(keysOf(planned), ElementsAre(Pair(1, "unavailable")));
}

}  // namespace
}  // namespace volumecrypt::test

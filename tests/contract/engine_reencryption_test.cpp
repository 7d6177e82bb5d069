// SPDX-License-Identifier: Apache-2.0
// A reencryption that cryptsetup began and did not finish: shown as what it is, and left alone.
#include <gmock/gmock.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

class EngineReencryption : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage(std::uint64_t{20} << 20);
        declare("- {slot: 0, static: {passphrase: secret}}");
        ASSERT_EQ(engine("format").exitCode, 0);
        ASSERT_EQ(engine("inspect").last().value("state", ""), "locked");
        const ProcessResult begun =
            cryptsetup({"reencrypt", "--init-only", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                        "1000", "--key-file", "-", image_},
                       "secret");
        ASSERT_EQ(begun.exitCode, 0) << begun.err;
    }
};

TEST_F(EngineReencryption, IsAStateAndNoError) {
    const std::string before = imageBytes();
    const EngineResult result = engine("inspect");
    EXPECT_EQ(result.exitCode, 0) << result.last().dump();
    EXPECT_EQ(result.last().value("state", ""), "reencrypting");
    EXPECT_EQ(result.last().at("mapping"), nullptr);
    EXPECT_EQ(result.last().value("cipher", ""), "aes-xts-plain64");
    EXPECT_EQ(result.last().value("content", ""), "an unfinished reencryption");
    // The old key and the new one; not the slot with the state of the reencryption.
    EXPECT_EQ(result.last().at("slots").size(), 2U) << result.last().dump();
    const nlohmann::json &warning = result.lines.front();
    EXPECT_EQ(warning.value("type", ""), "warning");
    EXPECT_EQ(warning.value("code", ""), "HeaderRefused");
    EXPECT_EQ(warning.value("message", ""),
              "volume u-data (" + image_ +
                  "): a reencryption of this volume, which cryptsetup or another program began, "
                  "is unfinished. Let that program finish it, or go on with `cryptsetup reencrypt "
                  "--resume-only " +
                  image_ + "`.");
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineReencryption, NothingIsDoneToIt) {
    const std::string before = imageBytes();
    const std::vector<std::string> confirmed{"--confirm", "u-data"};
    for (const auto &[verb, more] : {std::pair<const char *, std::vector<std::string>>{"plan", {}},
                                     {"sync", {}},
                                     {"remove-key", {"--slot", "0"}},
                                     {"erase", confirmed}}) {
        const EngineResult result = engine(verb, more);
        EXPECT_EQ(result.exitCode, 1) << verb;
        EXPECT_EQ(result.code(), "HeaderRefused") << verb;
        EXPECT_THAT(result.last().value("message", ""),
                    HasSubstr("which cryptsetup or another program began, is unfinished"));
        EXPECT_THAT(result.last().value("hint", ""),
                    HasSubstr("`cryptsetup reencrypt --resume-only " + image_ + "`"));
        EXPECT_EQ(result.last().value("retry", true), false);
    }
    EXPECT_EQ(engine("format").code(), "NotBlank");
    EXPECT_TRUE(imageBytes() == before);
}

}  // namespace
}  // namespace volumecrypt::test

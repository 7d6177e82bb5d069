// SPDX-License-Identifier: Apache-2.0
// A device that cannot be written to: said first, before a key is asked for or anything is begun.
#include <sstream>

#include <gmock/gmock.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

class EngineReadOnly : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage(std::uint64_t{20} << 20);
        declare("- {slot: 1, static: {passphrase: secret}}");
    }
    // The engine where the image lies on a read-only file system.
    [[nodiscard]] nlohmann::json protectedly(const std::string &verb,
                                             const std::vector<std::string> &more = {}) const {
        Process process{
            .argv = {"unshare", "--mount", "sh", "-c",
                     R"(mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" "$0" && exec "$@")",
                     image_, VOLUMECRYPT_ENGINE, verb, "u-data", "--root", root_, "--config-dir",
                     configDir_, "--output", "json", "--test-kdf"},
            .input = {},
            .secret = {}};
        process.argv.insert(process.argv.end(), more.begin(), more.end());
        const ProcessResult run = process.run();
        nlohmann::json lines = nlohmann::json::array();
        std::istringstream output(run.out);
        for (std::string line; std::getline(output, line);)
            lines.push_back(nlohmann::json::parse(line));
        EXPECT_FALSE(lines.empty()) << run.err;
        return lines;
    }
    void expectRefused(const std::string &verb, const std::vector<std::string> &more = {}) const {
        const nlohmann::json lines = protectedly(verb, more);
        ASSERT_EQ(lines.size(), 1U) << lines.dump();
        EXPECT_EQ(lines[0].value("code", ""), "Unsupported") << verb << lines.dump();
        EXPECT_EQ(lines[0].value("message", ""), "volume u-data (" + image_ + ") is read-only");
        EXPECT_EQ(lines[0].value("hint", ""),
                  "Nothing was written. Make the file and its file system writable, then try "
                  "again.");
        EXPECT_EQ(lines[0].value("retry", true), false);
    }
};

TEST_F(EngineReadOnly, ABlankOneIsNotFormatted) {
    expectRefused("format");
    expectRefused("format", {"--force"});
}

TEST_F(EngineReadOnly, NoVerbBeginsWhatItCannotWrite) {
    ASSERT_EQ(engine("format").exitCode, 0);
    const std::string before = imageBytes();
    expectRefused("sync");
    expectRefused("remove-key", {"--slot", "1"});
    expectRefused("wipe", {"--confirm", "u-data"});
    expectRefused("erase", {"--confirm", "u-data"});
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineReadOnly, ItCanBeLookedAt) {
    ASSERT_EQ(engine("format").exitCode, 0);
    const nlohmann::json shown = protectedly("inspect");
    ASSERT_EQ(shown.size(), 2U) << shown.dump();
    EXPECT_EQ(shown[0].value("type", ""), "warning");
    EXPECT_EQ(shown[0].value("message", ""), "volume u-data (" + image_ + ") is read-only");
    EXPECT_EQ(shown[1].value("state", ""), "locked");
    EXPECT_EQ(protectedly("plan").back().value("type", ""), "result");
}

}  // namespace
}  // namespace volumecrypt::test

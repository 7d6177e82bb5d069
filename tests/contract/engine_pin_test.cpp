// SPDX-License-Identifier: Apache-2.0
// Somebody changes the header of a volume that this machine knows, so that its own key opens
// something else; and somebody changes the pin.
#include <filesystem>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/header_editor.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class EnginePinTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 1, static: {passphrase: secret}}");
        ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--sector-size", "4096",
                              "--key-size", "256", "--key-slot", "1", "--key-file", "-", image_},
                             "secret")
                      .exitCode,
                  0);
        ASSERT_EQ(engine("sync").exitCode, 0);
    }
    [[nodiscard]] std::string path() const {
        return root_ + "/etc/volumecrypt/state/pins/u-data.json";
    }
    [[nodiscard]] json pin() const { return json::parse(*base::readFile(path())); }
    void setPin(const json &value) const {
        ASSERT_TRUE(base::writeFileAtomically(path(), value.dump() + "\n", 0600));
    }
    // As version 1 was: by the UUID and the volume key alone.
    void makeOld() const {
        json old = pin();
        old["version"] = 1;
        old.erase("segment");
        old.erase("mac");
        setPin(old);
    }
    void changeSegment(const char *member, const json &value) const {
        HeaderEditor(image_).change([&](json &header) { header["segments"]["0"][member] = value; });
    }
    void expectForeign(const std::string &difference) const {
        for (const char *const verb : {"sync", "plan"}) {
            const std::string before = imageBytes();
            const EngineResult refused = engine(verb);
            EXPECT_EQ(refused.code(), "ForeignVolume") << refused.last().dump();
            EXPECT_THAT(refused.last().at("message").get<std::string>(), HasSubstr(difference));
            EXPECT_THAT(refused.last().at("hint").get<std::string>(), HasSubstr("header backup"));
            EXPECT_TRUE(imageBytes() == before);
        }
    }
};

TEST_F(EnginePinTest, AMovedSegmentIsForeign) {
    changeSegment("offset", "17825792");
    expectForeign("its data begins at byte 17825792 instead of 16777216");
}

TEST_F(EnginePinTest, AShortenedSegmentIsForeign) {
    changeSegment("size", "1048576");
    expectForeign("the size of its data in bytes is 1048576 instead of dynamic");
}

TEST_F(EnginePinTest, AnotherSectorSizeIsForeign) {
    changeSegment("sector_size", 512);
    expectForeign("its sector size is 512 instead of 4096");
}

TEST_F(EnginePinTest, AnotherCipherIsForeign) {
    changeSegment("encryption", "xchacha12,aes-adiantum-plain64");
    expectForeign("its cipher is xchacha12,aes-adiantum-plain64 instead of aes-xts-plain64");
}

TEST_F(EnginePinTest, ShiftedInitialVectorsAreForeign) {
    changeSegment("iv_tweak", "8");
    expectForeign("its sectors are numbered from 8 instead of 0");
}

TEST_F(EnginePinTest, EveryDifferenceIsNamed) {
    changeSegment("offset", "17825792");
    changeSegment("iv_tweak", "8");
    expectForeign(
        "begins at byte 17825792 instead of 16777216 and its sectors are numbered from 8");
}

TEST_F(EnginePinTest, AnOldPinStillCountsAndIsRenewed) {
    const json whole = pin();
    EXPECT_EQ(whole.at("version"), 2);
    makeOld();
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_EQ(pin().at("version"), 1) << "plan writes nothing";
    ASSERT_EQ(engine("sync").exitCode, 0);
    EXPECT_EQ(pin(), whole);
    changeSegment("offset", "17825792");
    expectForeign("its data begins at byte 17825792");
}

TEST_F(EnginePinTest, AnOldPinOfAnotherVolumeIsNotRenewed) {
    makeOld();
    const json old = pin();
    json other = old;
    other["digest"] = std::string(64, '0');
    setPin(other);
    EXPECT_EQ(engine("sync").code(), "ForeignVolume");
    EXPECT_EQ(pin(), other);
}

TEST_F(EnginePinTest, AWholePinIsLeftAlone) {
    const auto before = std::filesystem::last_write_time(path());
    ASSERT_EQ(engine("sync").exitCode, 0);
    EXPECT_EQ(std::filesystem::last_write_time(path()), before);
}

// Whoever moved the segment cannot make the pin fit: for that it takes the volume key.
TEST_F(EnginePinTest, AChangedPinIsNotedAsSuch) {
    changeSegment("offset", "17825792");
    json forged = pin();
    forged["segment"]["offset"] = "17825792";
    setPin(forged);
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "HeaderCorrupt");
    EXPECT_THAT(refused.last().at("message").get<std::string>(),
                HasSubstr("was changed by somebody without the volume key"));
    EXPECT_THAT(refused.last().at("hint").get<std::string>(), HasSubstr("forget u-data"));
}

TEST_F(EnginePinTest, WhatIsNoPinIsRefused) {
    const json whole = pin();
    const auto with = [&](const char *member, const json &value) {
        json changed = whole;
        changed[member] = value;
        return changed;
    };
    json noMac = whole;
    noMac.erase("mac");
    json extra = whole;
    extra["segment"]["extra"] = "1";
    json number = whole;
    number["segment"]["offset"] = 16777216;
    for (const json &wrong :
         {with("uuid", 1), with("digest", nullptr), with("segment", "x"), with("version", "2"),
          with("version", 0), with("version", -1), with("version", 1e30), noMac, extra, number,
          json::array(), json("text")}) {
        setPin(wrong);
        EXPECT_EQ(engine("sync").code(), "HeaderCorrupt") << wrong.dump();
    }
    setPin(with("version", 3));
    EXPECT_EQ(engine("sync").code(), "Unsupported");
    setPin(with("version", std::uint64_t{18446744073709551615U}));
    EXPECT_EQ(engine("sync").code(), "Unsupported");
    setPin(whole);
    EXPECT_EQ(engine("sync").exitCode, 0);
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// Headers with little room: a change is made whole, or refused before its first write, and the
// error says what was done.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "base/files.h"
#include "base/unique_fd.h"
#include "support/header_editor.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

// As `cryptsetup luksFormat` makes it by itself.
constexpr std::size_t kJsonArea = 12288;
constexpr const char *kTwoKeys =
    "- {slot: 1, static: {passphrase: secret}}\n- {slot: 2, static: {passphrase: second}}";

class EngineFullHeader : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(std::uint64_t{20} << 20); }

    void luksFormat(const std::vector<std::string> &more = {}) {
        std::vector<std::string> arguments{
            "luksFormat", "--type",     "luks2", "--pbkdf",    "pbkdf2", "--pbkdf-force-iterations",
            "1000",       "--key-slot", "1",     "--key-file", "-"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        arguments.push_back(image_);
        ASSERT_EQ(cryptsetup(arguments, "secret").exitCode, 0);
    }
    // Somebody's token leaves so many bytes of the JSON area.
    void leave(std::size_t free) const {
        HeaderEditor(image_).change([free](nlohmann::json &json) {
            json["tokens"]["0"] = {
                {"type", "somebody"}, {"keyslots", nlohmann::json::array()}, {"fill", ""}};
            const std::size_t used = json.dump().size() + 1;
            EXPECT_LT(used + free, kJsonArea);
            json["tokens"]["0"]["fill"] = std::string(kJsonArea - used - free, 'x');
        });
    }
    void restore(const std::string &bytes) const {
        const auto fd = base::openFile(image_, O_WRONLY);
        ASSERT_TRUE(fd);
        ASSERT_TRUE(base::writeExactly(fd->get(), std::as_bytes(std::span(bytes)), 0));
    }
    static std::string hint(const EngineResult &result) { return result.last().value("hint", ""); }
    // Runs `verb` with more and more room; `done` looks at what it made. Every refusal leaves the
    // image as it was, and there are some of both.
    template <typename Done>
    void sweep(const std::string &verb, const std::vector<std::string> &more,
               const std::optional<std::string> &secret, Done done) {
        const std::string bytes = imageBytes();
        int refused = 0;
        int made = 0;
        for (std::size_t free = 0; free <= 3200; free += 128) {
            restore(bytes);
            leave(free);
            const std::string before = imageBytes();
            const EngineResult result = engine(verb, more, secret);
            EXPECT_TRUE(opens(1, "secret")) << free;
            if (result.exitCode == 0) {
                ++made;
                done(result);
                continue;
            }
            ++refused;
            EXPECT_EQ(made, 0) << free << " bytes, and fewer were enough";
            EXPECT_EQ(result.code(), "NoSpace") << result.last().dump();
            EXPECT_THAT(hint(result), HasSubstr("No key was changed.")) << free;
            EXPECT_THAT(hint(result), HasSubstr("cryptsetup token remove --token-id N " + image_));
            EXPECT_TRUE(imageBytes() == before) << free << ": " << result.last().dump();
        }
        EXPECT_GT(refused, 1);
        EXPECT_GT(made, 1);
    }
};

TEST_F(EngineFullHeader, AKeyIsAddedWholeOrNotAtAll) {
    luksFormat();
    declare(kTwoKeys);
    sweep("sync", {}, {}, [this](const EngineResult &) { EXPECT_TRUE(opens(2, "second")); });
}

TEST_F(EngineFullHeader, AKeyIsReplacedWholeOrNotAtAll) {
    luksFormat();
    declare(kTwoKeys);
    ASSERT_EQ(engine("sync").exitCode, 0);
    declare("- {slot: 1, static: {passphrase: secret}}\n- {slot: 2, static: {passphrase: other}}");
    sweep("sync", {}, {}, [this](const EngineResult &) { EXPECT_TRUE(opens(2, "other")); });
}

TEST_F(EngineFullHeader, AnAddedRecoveryKeyHasItsTokenOrIsNotThere) {
    luksFormat();
    declare("- {slot: 1, static: {passphrase: secret}}");
    const std::string recovery =
        "cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi";
    sweep("add-key", {"--kind", "recovery"}, recovery, [&](const EngineResult &result) {
        const unsigned slot = result.last().value("slot", 99U);
        EXPECT_TRUE(opens(slot, recovery));
        EXPECT_THAT(dump(), HasSubstr("systemd-recovery"));
    });
}

TEST_F(EngineFullHeader, ARemovalIsDoneOrNotBegun) {
    luksFormat();
    declare(kTwoKeys);
    ASSERT_EQ(engine("sync").exitCode, 0);
    declare("- {slot: 1, static: {passphrase: secret}}");
    sweep("sync", {}, {}, [this](const EngineResult &) { EXPECT_FALSE(opens(2, "second")); });
}

TEST_F(EngineFullHeader, WhatWasDoneBeforeIsTold) {
    luksFormat();
    declare(std::string(kTwoKeys) + "\n- {slot: 3, static: {passphrase: third}}");
    const std::string bytes = imageBytes();
    bool seen = false;
    for (std::size_t free = 1000; free <= 3200 && !seen; free += 128) {
        restore(bytes);
        leave(free);
        const EngineResult result = engine("sync");
        if (result.exitCode == 0 || !opens(2, "second")) continue;
        seen = true;
        EXPECT_EQ(result.code(), "NoSpace");
        EXPECT_EQ(result.last().at("slot"), 3);
        EXPECT_THAT(hint(result), HasSubstr("Done before, and kept: add 2."));
        EXPECT_EQ(dump().find("3: luks2"), std::string::npos);
    }
    EXPECT_TRUE(seen);
}

TEST_F(EngineFullHeader, NoRoomForAKeySlotArea) {
    luksFormat({"--luks2-keyslots-size", "256k"});
    declare(kTwoKeys);
    const std::string before = imageBytes();
    const EngineResult result = engine("sync");
    EXPECT_EQ(result.code(), "NoSpace");
    EXPECT_EQ(
        result.last().value("message", ""),
        "volume u-data (" + image_ + "), slot 2: the header has no room for another key slot");
    EXPECT_THAT(hint(result), HasSubstr("No key was changed."));
    EXPECT_TRUE(imageBytes() == before);
}

// The record takes the last number, so that none is left for the token of the recovery key.
TEST_F(EngineFullHeader, NoTokenNumberIsLeft) {
    luksFormat({"--luks2-metadata-size", "64k"});
    declare("- {slot: 1, static: {passphrase: secret}}");
    const auto fill = [this](unsigned count) {
        HeaderEditor(image_).change([count](nlohmann::json &json) {
            for (unsigned id = 0; id < count; ++id)
                json["tokens"][std::to_string(id)] = {{"type", "somebody"},
                                                      {"keyslots", nlohmann::json::array()}};
        });
    };
    fill(31);
    const std::string before = imageBytes();
    const std::vector<std::string> recovery{"--kind", "recovery"};
    const EngineResult refused =
        engine("add-key", recovery,
               "cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi");
    EXPECT_EQ(refused.code(), "NoSpace");
    EXPECT_THAT(refused.last().value("message", ""), HasSubstr("all 32 tokens of the header"));
    EXPECT_THAT(hint(refused), HasSubstr("No key was changed."));
    EXPECT_TRUE(imageBytes() == before);
    fill(32);
    const EngineResult none = engine("sync");
    EXPECT_EQ(none.code(), "NoSpace");
    EXPECT_THAT(hint(none), HasSubstr("No key was changed."));
}

}  // namespace
}  // namespace volumecrypt::test

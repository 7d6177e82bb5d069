// SPDX-License-Identifier: Apache-2.0
// What a version after this one has written: every verb that would change it says so, and not a
// byte of the volume, of META or of what the machine remembers is written.
#include <filesystem>
#include <map>

#include <gmock/gmock.h>

#include "base/files.h"
#include "engine_meta_fixture.h"
#include "support/header_editor.h"

namespace volumecrypt::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

struct Call {
    std::string verb;
    std::vector<std::string> options;
    std::optional<std::string> secret;
};

const std::vector<Call> kChanges{
    {"sync", {}, {}},
    {"sync", {"--verify"}, {}},
    {"sync", {"--adopt"}, {}},
    {"add-key", {}, "another"},
    {"remove-key", {"--slot", "30"}, {}},
    {"rotate", {"--slot", "0"}, {}},
};

class NewerTest : public EngineMetaFixture {
  protected:
    // A volume that this machine knows, with an added key in slot 30.
    void SetUp() override {
        EngineMetaFixture::SetUp();
        declare("- {slot: 0, nodeID: {}}");
        ASSERT_EQ(engine("format").exitCode, 0);
        ASSERT_EQ(cryptsetup({"token", "remove", "--token-id", "31", image_}).exitCode, 0);
        ASSERT_EQ(engine("sync").exitCode, 0);
        ASSERT_EQ(engine("add-key", {}, "added").last().at("slot"), 30);
    }
    [[nodiscard]] std::string pinPath() const {
        return root_ + "/etc/volumecrypt/state/pins/u-data.json";
    }
    void changeRecord(const std::function<void(json &)> &edit) const {
        HeaderEditor(image_).change([&](json &header) {
            for (json &token : header.at("tokens"))
                if (token.at("type") == "volumecrypt") edit(token);
        });
    }
    // Everything that outlives a boot.
    [[nodiscard]] std::map<std::string, std::string> everything() const {
        std::map<std::string, std::string> files{{"image", imageBytes()}, {"META", metaBytes()}};
        for (const auto &entry : std::filesystem::recursive_directory_iterator(root_ + "/etc"))
            if (entry.is_regular_file()) files.emplace(entry.path(), *base::readFile(entry.path()));
        return files;
    }
    void expectRefused(const Call &call, const std::string &words, const std::string &hint) const {
        const auto before = everything();
        const EngineResult refused = engine(call.verb, call.options, call.secret);
        SCOPED_TRACE(call.verb + ": " + refused.last().dump());
        EXPECT_EQ(refused.exitCode, 1);
        EXPECT_EQ(refused.code(), "Unsupported");
        EXPECT_THAT(refused.last().value("message", ""), HasSubstr("volume u-data"));
        EXPECT_THAT(refused.last().value("message", ""), HasSubstr(words));
        EXPECT_THAT(refused.last().value("hint", ""), HasSubstr(hint));
        EXPECT_TRUE(everything() == before);
    }
    void expectUntouchedBy(const std::string &verb) const {
        const auto before = everything();
        (void)engine(verb);
        EXPECT_TRUE(everything() == before) << verb;
    }
};

class NewerRecord : public NewerTest {
  protected:
    void expectLeftAlone() const {
        for (const Call &call : kChanges)
            expectRefused(call, "the record was written by a newer version of volumecrypt",
                          "Update volumecrypt");
        const EngineResult plan = engine("plan");
        EXPECT_EQ(plan.exitCode, 2);
        EXPECT_EQ(plan.steps(), std::vector<std::string>{"refuse 0"});
        EXPECT_EQ(engine("format").exitCode, 1);
        for (const char *verb : {"inspect", "plan", "format"}) expectUntouchedBy(verb);
    }
};

TEST_F(NewerRecord, IsLeftAlone) {
    changeRecord([](json &record) { record["version"] = 2; });
    expectLeftAlone();
}

// Nothing of it is where this version looks for it.
TEST_F(NewerRecord, MayHaveOtherMembers) {
    changeRecord([](json &record) {
        record = {{"type", "volumecrypt"},
                  {"keyslots", json::array()},
                  {"version", 3},
                  {"pending", "a list of changes"},
                  {"phase", {{"is", "formatting"}}}};
    });
    expectLeftAlone();
}

TEST_F(NewerRecord, MayBeInAHeaderThatWantsRepair) {
    changeRecord([](json &record) {
        record["version"] = 2;
        record["phase"] = "formatting";
    });
    HeaderEditor(image_).damage(HeaderCopyOf::Primary);
    expectLeftAlone();
}

TEST_F(NewerTest, APinIsLeftAlone) {
    json pin = json::parse(*base::readFile(pinPath()));
    pin["version"] = 3;
    for (const json &newer : {pin, json{{"version", 3}, {"volumes", json::array({"u-data"})}}}) {
        ASSERT_TRUE(base::writeFileAtomically(pinPath(), newer.dump(), 0600));
        for (const Call &call : kChanges)
            expectRefused(call, "was written by a newer version of volumecrypt",
                          "Update volumecrypt; nothing was changed.");
        expectRefused({"plan", {}, {}}, pinPath(), "Update volumecrypt");
        expectUntouchedBy("inspect");
    }
    // Nor is a blank device in its place formatted.
    std::filesystem::resize_file(image_, 0);
    std::filesystem::resize_file(image_, std::uintmax_t{40} << 20);
    expectUntouchedBy("format");
    EXPECT_EQ(engine("format").code(), "VolumeVanished");
}

class NewerMarker : public NewerTest {
  protected:
    // Over the first copy of the header, as while a format is at work.
    void SetUp() override {
        NewerTest::SetUp();
        ASSERT_TRUE(std::filesystem::remove(pinPath()));
        std::string marker("VOLUMECRYPT-FORMATTING");
        marker.resize(4096, '\0');
        marker[32] = '\2';
        std::fstream image(image_, std::ios::in | std::ios::out | std::ios::binary);
        image << marker;
    }
};

TEST_F(NewerMarker, IsNotFormattedOver) {
    const std::string words = "a newer version of volumecrypt began to format or to wipe it";
    for (const Call &call : kChanges) expectRefused(call, words, "Update volumecrypt");
    expectRefused({"plan", {}, {}}, words, "Nothing was written");
    expectRefused({"format", {}, {}}, words, "`volumecryptctl wipe u-data`");
    expectUntouchedBy("inspect");
}

TEST_F(NewerMarker, IsGivenUpAsTold) {
    EXPECT_EQ(engine("wipe", {"--confirm", "u-data"}).exitCode, 0);
    EXPECT_EQ(engine("format").exitCode, 0);
    EXPECT_TRUE(opens(0, kNodeId));
}

class NewerMeta : public EngineMetaFixture {
  protected:
    void SetUp() override {
        EngineMetaFixture::SetUp();
        formatted("{keys: [{slot: 0, static: {passphrase: one}}]}");
    }
};

// Where the magic numbers are others, the declaration is all there is to go by.
TEST_F(NewerMeta, OfAnotherFormatIsLeftAlone) {
    std::string meta = metaBytes();
    for (const std::size_t copy : {std::size_t{0}, meta::kCopySize}) meta[copy] = '\x7e';
    ASSERT_TRUE(base::writeFileAtomically(meta_, meta, 0600));
    declareState(
        "{keys: [{slot: 0, static: {passphrase: one}}, {slot: 1, static: {passphrase: two}}]}");
    const EngineResult synced = onState("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_EQ(synced.steps(), std::vector<std::string>{"add 1"});
    EXPECT_TRUE(metaBytes() == meta);
    declareState("");
    const std::string before = imageBytes();
    for (const char *verb : {"plan", "sync"})
        EXPECT_EQ(onState(verb).code(), "HeaderCorrupt") << verb;
    EXPECT_TRUE(metaBytes() == meta);
    EXPECT_TRUE(imageBytes() == before);
}

// Tags that this version does not know are kept, a kind of key that it does not know is no reason
// to make STATE anew.
TEST_F(NewerMeta, WithOtherTagsAndKeysIsKept) {
    setTag(77, "of a newer Talos");
    declareState("{keys: [{slot: 0, static: {passphrase: one}}, {slot: 1, nodeID: {}}]}");
    ASSERT_EQ(onState("sync").exitCode, 0);
    EXPECT_EQ(tag(77), "of a newer Talos");
    setTag(9, R"({"EncryptionProvider":"luks2","EncryptionKeys":[{"KeySlot":0,"KeyFIDO2":{}}]})");
    declareState("");
    const std::string meta = metaBytes();
    const std::string before = imageBytes();
    for (const char *verb : {"plan", "sync", "format"}) {
        const EngineResult refused = onState(verb);
        EXPECT_EQ(refused.exitCode, 1) << refused.last().dump();
        EXPECT_THAT(refused.last().dump(), HasSubstr("unsupported encryption key type"));
    }
    EXPECT_TRUE(metaBytes() == meta);
    EXPECT_TRUE(imageBytes() == before);
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// A disk that another machine made: its keys stay until somebody says that it is this one's.
#include <filesystem>

#include <gmock/gmock.h>

#include "base/files.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "keys/derivations.h"
#include "model/record.h"
#include "support/header_editor.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using Steps = std::vector<std::string>;

constexpr const char *kOtherUuid = "c0ffee00-1234-4321-8765-0a1b2c3d4e5f";
constexpr const char *kBoth = "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: shared}}";

class EngineMovedTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--key-slot", "0", "--key-file",
                              "-", image_},
                             kNodeId)
                      .exitCode,
                  0);
        declare(kBoth);
        ASSERT_EQ(engine("sync").exitCode, 0);
    }
    [[nodiscard]] std::string stateDir() const { return root_ + "/etc/volumecrypt/state"; }
    [[nodiscard]] json pin() const {
        return json::parse(*base::readFile(stateDir() + "/pins/u-data.json"));
    }
    void setUuid(const std::string &uuid) const {
        ASSERT_TRUE(
            base::writeFileAtomically(root_ + "/sys/class/dmi/id/product_uuid", uuid + "\n", 0400));
    }
    void reinstall() const { std::filesystem::remove_all(stateDir()); }
    // What one machine remembers is kept while the disk is in another.
    void move(const std::string &from, const std::string &to, const std::string &uuid) const {
        reinstallAs(from);
        if (std::filesystem::exists(directory_.path() + "/" + to))
            std::filesystem::rename(directory_.path() + "/" + to, stateDir());
        setUuid(uuid);
    }
    void reinstallAs(const std::string &name) const {
        std::filesystem::rename(stateDir(), directory_.path() + "/" + name);
    }
    void moveToOther() const { move("home", "other", kOtherUuid); }
    void moveHome() const { move("other", "home", kUuid); }
    [[nodiscard]] json record() const {
        const json header = HeaderEditor(image_).json();
        for (const auto &[id, token] : header.at("tokens").items())
            if (token.at("type") == "volumecrypt") return token;
        return {};
    }
    void changeRecord(const std::function<void(json &)> &change) const {
        HeaderEditor(image_).change([&](json &header) {
            for (auto &[id, token] : header["tokens"].items())
                if (token.at("type") == "volumecrypt") change(token);
        });
    }
    [[nodiscard]] static std::string warnings(const EngineResult &result) {
        std::string text;
        for (const json &line : result.lines)
            if (line.at("type") == "warning") text += line.at("message").get<std::string>() + "\n";
        return text;
    }
    // As the machine that made the volume knows it.
    [[nodiscard]] base::SecretBuffer recordKey() {
        const std::string file = directory_.path() + "/volume-key";
        EXPECT_EQ(cryptsetup({"luksDump", "--dump-volume-key", "--volume-key-file", file,
                              "--key-file", "-", image_},
                             "shared")
                      .exitCode,
                  0);
        return keys::recordKey(base::SecretBuffer::copyOf(*base::readFile(file)));
    }
    [[nodiscard]] json slots() const { return HeaderEditor(image_).json().at("keyslots"); }
    [[nodiscard]] static std::string otherNodeId() { return std::string(kOtherUuid) + "u-data"; }
};

TEST_F(EngineMovedTest, TheMachineIsMarkedAndCannotBeGuessed) {
    const auto mark = record().at("machine").get<std::string>();
    EXPECT_EQ(mark.size(), 64U);
    EXPECT_EQ(pin().at("machine"), mark);
    const std::string bytes = imageBytes();
    EXPECT_THAT(bytes, Not(HasSubstr(kUuid)));
    // Whoever has the disk could try UUIDs against any digest that takes no key, and with them the
    // nodeID keys that the slots' key derivation protects.
    const auto luksUuid = engine("inspect").last().at("uuid").get<std::string>();
    const std::string uuid = kUuid;
    for (const std::string &text :
         {uuid, luksUuid + uuid, uuid + luksUuid, uuid + "u-data", luksUuid + uuid + "u-data"})
        EXPECT_NE(mark, base::toHex(crypto::sha256(text)));
    const std::string first = mark;
    // With another volume key it is another mark.
    makeImage();
    reinstall();
    ASSERT_EQ(engine("format").exitCode, 0);
    EXPECT_EQ(record().at("machine").get<std::string>().size(), 64U);
    EXPECT_NE(record().at("machine"), first);
}

TEST_F(EngineMovedTest, NoneOfItsKeysIsTaken) {
    declare(std::string(kBoth) + "\n- {slot: 2, static: {passphrase: theirs}}");
    ASSERT_EQ(engine("sync").exitCode, 0);
    moveToOther();
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: shared}}");
    const json before = slots();
    for (const char *const verb : {"plan", "sync", "sync"}) {
        const EngineResult result = engine(verb);
        EXPECT_NE(result.exitCode, 1) << result.last().dump();
        EXPECT_EQ(result.steps(), (Steps{"defer 0", "defer 2"})) << verb;
        EXPECT_THAT(warnings(result), HasSubstr("was made by another machine"));
        for (const json &step : result.last().at("steps")) {
            if (step.at("action") != "defer") continue;
            EXPECT_THAT(step.at("reason").get<std::string>(),
                        HasSubstr("volumecryptctl sync --adopt u-data"));
        }
    }
    EXPECT_EQ(slots(), before);
    EXPECT_TRUE(opens(0, kNodeId) && opens(2, "theirs"));
    moveHome();
    declare(std::string(kBoth) + "\n- {slot: 2, static: {passphrase: theirs}}");
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineMovedTest, AKeyInAFreeSlotIsAdded) {
    moveToOther();
    declare(std::string(kBoth) + "\n- {slot: 5, nodeID: {}}");
    EXPECT_EQ(engine("sync").steps(), (Steps{"add 5", "defer 0"}));
    EXPECT_TRUE(opens(5, otherNodeId()));
    EXPECT_TRUE(opens(0, kNodeId));
    // It is still the other machine's.
    EXPECT_EQ(engine("sync").steps(), Steps{"defer 0"});
}

TEST_F(EngineMovedTest, SomebodyElsesSlotsAreSparedWhateverThePolicy) {
    const std::string file = directory_.write("mine", "mine", std::filesystem::perms{0600});
    ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                          "--key-slot", "7", "--key-file", "-", image_, file},
                         kNodeId)
                  .exitCode,
              0);
    moveToOther();
    declare(kBoth, "unmanagedSlots: remove");
    EXPECT_EQ(engine("sync").steps(), (Steps{"defer 0", "defer 7"}));
    EXPECT_TRUE(opens(7, "mine"));
}

TEST_F(EngineMovedTest, AdoptMakesItThisMachines) {
    moveToOther();
    EXPECT_EQ(engine("plan", {"--adopt"}).steps(), Steps{"replace 0"});
    const EngineResult adopted = engine("sync", {"--adopt"});
    ASSERT_EQ(adopted.exitCode, 0) << adopted.last().dump();
    EXPECT_EQ(adopted.steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, otherNodeId()));
    EXPECT_EQ(pin().at("machine"), record().at("machine"));
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_EQ(warnings(engine("inspect")), "");
    // The machine that made it finds it changed, and takes none of the new one's keys either.
    moveHome();
    EXPECT_EQ(engine("sync").steps(), Steps{"defer 0"});
    EXPECT_TRUE(opens(0, otherNodeId()));
    EXPECT_EQ(engine("sync", {"--adopt"}).steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, kNodeId));
}

TEST_F(EngineMovedTest, TheSameMachineInstalledAnewIsNoOther) {
    reinstall();
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: new}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 1"});
    EXPECT_EQ(pin().at("machine"), record().at("machine"));
}

// Its UUID is another one, but it remembers the volume.
TEST_F(EngineMovedTest, TheSameMachineWithAnotherMainBoardIsNoOther) {
    setUuid(kOtherUuid);
    EXPECT_EQ(warnings(engine("inspect")), "");
    const std::string mark = record().at("machine");
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, otherNodeId()));
    EXPECT_NE(record().at("machine"), mark);
    EXPECT_EQ(pin().at("machine"), record().at("machine"));
    EXPECT_EQ(engine("sync").last().at("changed"), false);
}

TEST_F(EngineMovedTest, ARecordOfAnEarlierVersionIsTakenAsBefore) {
    changeRecord([](json &token) { token.erase("machine"); });
    moveToOther();
    EXPECT_EQ(warnings(engine("inspect")), "");
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 0"});
    EXPECT_EQ(record().at("machine").get<std::string>().size(), 64U);
    EXPECT_EQ(engine("sync").last().at("changed"), false);
}

// What a disk says of machines may be anything.
TEST_F(EngineMovedTest, AForgedMarkTakesNothing) {
    changeRecord([](json &token) { token["machine"] = std::string(64, 'a'); });
    declare("- {slot: 0, nodeID: {}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"defer 1"});
    EXPECT_TRUE(opens(1, "shared"));
    for (const json &wrong : {json(1), json("x"), json(nullptr), json(std::string(4000, 'a'))}) {
        changeRecord([&](json &token) { token["machine"] = wrong; });
        EXPECT_NE(engine("plan").exitCode, 1) << wrong.dump();
        EXPECT_TRUE(opens(1, "shared"));
    }
}

// Firmware of many machines says the same, or nothing.
TEST_F(EngineMovedTest, AMachineWithoutAUuidTakesNothing) {
    moveToOther();
    for (const char *const none : {"03000200-0400-0500-0006-000700080009", ""}) {
        setUuid(none);
        declare("- {slot: 1, static: {passphrase: shared}}");
        EXPECT_EQ(engine("sync").steps(), Steps{"defer 0"}) << none;
    }
    makeImage();
    reinstall();
    ASSERT_EQ(engine("format").exitCode, 0);
    EXPECT_FALSE(record().contains("machine"));
    EXPECT_EQ(engine("sync").last().at("changed"), false);
}

TEST_F(EngineMovedTest, WhatDoesNotOpenItTellsWhoseItIs) {
    moveToOther();
    declare("- {slot: 0, nodeID: {}}");
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "NoUsableKey");
    EXPECT_THAT(refused.last().at("message").get<std::string>(),
                HasSubstr("it was made by another machine"));
    EXPECT_THAT(refused.last().at("hint").get<std::string>(),
                HasSubstr("recovery key, or a passphrase, opens it here as well: `volumecryptctl "
                          "unlock u-data --passphrase`"));
    // Opened by such a key, it is remembered, and as another machine's.
    EXPECT_EQ(engine("sync", {}, "shared").steps(), (Steps{"defer 0", "defer 1"}));
    EXPECT_FALSE(pin().contains("machine"));
    EXPECT_THAT(warnings(engine("inspect")), HasSubstr("it was made by another machine. "));
}

TEST_F(EngineMovedTest, StatusTellsWhoseItIs) {
    moveToOther();
    EXPECT_THAT(
        warnings(engine("inspect")),
        HasSubstr("made by another machine, or by this one before its system was installed"));
}

TEST_F(EngineMovedTest, ADiskThatChangedPlacesIsNamed) {
    json other = pin();
    other["uuid"] = "00000000-1111-2222-3333-444444444444";
    ASSERT_TRUE(base::writeFileAtomically(stateDir() + "/pins/u-data.json", other.dump(), 0600));
    setUuid(kOtherUuid);
    declare("- {slot: 0, nodeID: {}}");
    EXPECT_THAT(engine("plan").last().at("message").get<std::string>(),
                HasSubstr("this machine remembers another volume in its place"));
    EXPECT_THAT(warnings(engine("inspect")), HasSubstr("remembers another volume in its place"));
}

// Whoever finishes it takes keys.
TEST_F(EngineMovedTest, AChangeThatTheOtherMachineBeganWaits) {
    model::Record begun = *model::Record::fromJson(record().dump());
    begun.pending = model::Pending{.operation = model::PendingOperation::Remove};
    begun.mac = crypto::hmacSha256(recordKey(), begun.authenticatedText());
    changeRecord([&](json &token) { token = json::parse(begun.toJson()); });
    declare("- {slot: 1, static: {passphrase: shared}}");
    const json slotsBefore = slots();
    moveToOther();
    for (const auto &[verb, more] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"sync", {}}, {"remove-key", {"--slot", "0"}}, {"rotate", {"--slot", "0"}}}) {
        const EngineResult refused = engine(verb, more);
        EXPECT_EQ(refused.code(), "ForeignVolume") << refused.last().dump();
        EXPECT_THAT(refused.last().at("hint").get<std::string>(),
                    HasSubstr("volumecryptctl sync --adopt u-data"));
    }
    EXPECT_EQ(slots(), slotsBefore);
    EXPECT_EQ(engine("sync", {"--adopt"}).exitCode, 0);
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineMovedTest, AddedKeysComeAndGoAsAsked) {
    moveToOther();
    const auto slot = engine("add-key", {}, "mine").last().at("slot").get<unsigned>();
    EXPECT_TRUE(opens(slot, "mine"));
    EXPECT_EQ(engine("remove-key", {"--slot", std::to_string(slot)}).exitCode, 0);
    EXPECT_EQ(engine("sync").steps(), Steps{"defer 0"});
}

TEST_F(EngineMovedTest, AdoptGoesWithSyncAndPlanOnly) {
    for (const char *const verb : {"inspect", "format", "rotate"})
        EXPECT_EQ(engine(verb, {"--adopt"}).exitCode, 64) << verb;
}

}  // namespace
}  // namespace volumecrypt::test

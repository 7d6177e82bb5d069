// SPDX-License-Identifier: Apache-2.0
// A volume whose document was renamed: its nodeID keys are made of the former name, which only the
// disk knows. What a disk says of a name opens nothing that has another place.
#include <filesystem>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/header_editor.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using Steps = std::vector<std::string>;

constexpr const char *kNewId = "4c4c4544-0039-3010-8048-b7c04f384432u-fresh";
constexpr const char *kNode = "{slot: 0, nodeID: {}}";

class EngineRenameTest : public VolumeFixture {
  protected:
    // u-data in use: pinned, `ready`, opened by a nodeID key in slot 0.
    void SetUp() override {
        makeImage();
        madeWith(kNodeId);
    }
    void madeWith(const std::string &key) {
        ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--key-slot", "0", "--key-file",
                              "-", image_},
                             key)
                      .exitCode,
                  0);
        // Whatever the key is: the record is there, and `ready`.
        const std::string file = directory_.write("key", key, std::filesystem::perms{0600});
        declare("- {slot: 0, static: {passphraseFile: " + file + "}}");
        ASSERT_EQ(engine("sync").exitCode, 0);
        if (key != kNodeId) return;
        declare("- {slot: 0, nodeID: {}}");
        ASSERT_EQ(engine("sync").exitCode, 0);
    }
    [[nodiscard]] static std::string document(const std::string &name, const std::string &device,
                                              const std::string &keys = kNode) {
        return "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
               "\nvolume: {device: " + device +
               "}\nfilesystem: {type: ext4}\nencryption: {keys: [" + keys + "]}\n";
    }
    void renamed(const std::string &keys = kNode) { writeConfig(document("fresh", image_, keys)); }
    EngineResult fresh(const std::string &verb, std::vector<std::string> more = {},
                       std::optional<std::string> secret = {}) const {
        return engine(verb, std::move(more), std::move(secret), "u-fresh");
    }
    [[nodiscard]] std::string pinOf(const std::string &id) const {
        return root_ + "/etc/volumecrypt/state/pins/" + id + ".json";
    }
    [[nodiscard]] bool isThere(const std::string &path) const {
        return std::filesystem::exists(path);
    }
    // The record as it is, with another name in it: what somebody without the volume key can do.
    void forgeName(const std::string &name) const {
        HeaderEditor(image_).change([&](json &header) {
            for (auto &[id, token] : header["tokens"].items())
                if (token.at("type") == "volumecrypt") token["volume"] = name;
        });
    }
    [[nodiscard]] json record() const {
        const json header = HeaderEditor(image_).json();
        for (const auto &[id, token] : header.at("tokens").items())
            if (token.at("type") == "volumecrypt") return token;
        return {};
    }
    void expectClosed(const std::string &id, const char *code = "NoUsableKey") const {
        for (const char *const verb : {"plan", "sync"}) {
            const std::string before = imageBytes();
            const EngineResult refused = engine(verb, {}, {}, id);
            EXPECT_EQ(refused.code(), code) << refused.last().dump();
            EXPECT_TRUE(imageBytes() == before);
        }
        EXPECT_FALSE(isThere(pinOf(id)));
    }
};

// Two partitions of this machine change places: neither is opened as the other.
TEST_F(EngineRenameTest, ADeclaredVolumeIsNotOpenedInThePlaceOfAnother) {
    writeConfig(document("fresh", image_) + "---\n" + document("data", image_ + ".other"));
    expectClosed("u-fresh");
}

TEST_F(EngineRenameTest, NorOneWhoseDocumentIsInError) {
    writeConfig(document("fresh", image_) + "---\n" +
                document("data", image_ + ".other", "{slot: 99}"));
    expectClosed("u-fresh");
}

TEST_F(EngineRenameTest, NorOneThatAnUnreadableDocumentMayDeclare) {
    ASSERT_TRUE(base::writeFileAtomically(configDir_ + "/broken.yaml", "a: [\n", 0600));
    renamed();
    expectClosed("u-fresh");
}

// Whose users write to u-data would give this machine its salt, its pins, its secrets.
TEST_F(EngineRenameTest, StateIsNeverAnotherVolume) {
    writeConfig(
        "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nvolume: {device: " + image_ +
        "}\nfilesystem: {type: ext4}\nencryption: {keys: [{slot: 0, nodeID: {}}]}\n");
    expectClosed("STATE");
}

TEST_F(EngineRenameTest, AndNoOtherVolumeIsState) {
    for (const char *const name : {"STATE", "EPHEMERAL", "ETCD"}) {
        makeImage();
        std::filesystem::remove(pinOf("u-data"));
        madeWith(std::string(kUuid) + name);
        forgeName(name);
        renamed();
        expectClosed("u-fresh");
    }
}

TEST_F(EngineRenameTest, WhatIsNoNameIsNotTriedAndNotRepeated) {
    const std::vector<std::string> names{"../../etc/shadow",
                                         "u-../data",
                                         "u-",
                                         "u-data\n",
                                         "\x1b[31mu-data",
                                         "u-da ta",
                                         "",
                                         "data",
                                         "u-" + std::string(35, 'a'),
                                         "u-" + std::string(6000, 'b')};
    for (const std::string &name : names) {
        makeImage();
        std::filesystem::remove(pinOf("u-data"));
        madeWith(std::string(kUuid) + name);
        forgeName(name);
        renamed();
        expectClosed("u-fresh");
        // Those that are part of any message.
        if (name.empty() || name == "data" || name == "u-") continue;
        const std::string shown = json(name).dump();
        for (const char *const verb : {"plan", "inspect"}) {
            for (const json &line : fresh(verb).lines)
                EXPECT_THAT(line.dump(), Not(HasSubstr(shown.substr(1, shown.size() - 2)))) << verb;
        }
    }
}

// Until the volume key vouches for the record, a name is one that anybody may have written.
TEST_F(EngineRenameTest, ANameThatSomebodyElseWroteIsNotBelieved) {
    makeImage();
    std::filesystem::remove(pinOf("u-data"));
    madeWith(std::string(kUuid) + "u-older");
    forgeName("u-older");
    renamed();
    expectClosed("u-fresh", "HeaderCorrupt");
}

TEST_F(EngineRenameTest, AnotherVolumeThanTheOneKnownByTheFormerNameIsForeign) {
    const std::string pin = *base::readFile(pinOf("u-data"));
    makeImage();
    std::filesystem::remove(pinOf("u-data"));
    madeWith(kNodeId);
    ASSERT_TRUE(base::writeFileAtomically(pinOf("u-data"), pin, 0600));
    renamed();
    expectClosed("u-fresh", "ForeignVolume");
    EXPECT_EQ(*base::readFile(pinOf("u-data")), pin);
}

TEST_F(EngineRenameTest, AnotherVolumeThanTheOneKnownByTheNewNameIsForeign) {
    json pin = json::parse(*base::readFile(pinOf("u-data")));
    pin["uuid"] = "00000000-1111-2222-3333-444444444444";
    ASSERT_TRUE(base::writeFileAtomically(pinOf("u-fresh"), pin.dump(), 0600));
    renamed();
    EXPECT_EQ(fresh("sync").code(), "ForeignVolume");
    EXPECT_EQ(fresh("plan").code(), "ForeignVolume");
    EXPECT_TRUE(opens(0, kNodeId));
}

// A header from before the first attach would have a file system made over what is there.
TEST_F(EngineRenameTest, AVolumeThatWasNeverUsedIsNotRenamed) {
    makeImage();
    declare("- {slot: 0, nodeID: {}}");
    std::filesystem::remove(pinOf("u-data"));
    ASSERT_EQ(engine("format").exitCode, 0);
    renamed();
    expectClosed("u-fresh");
}

TEST_F(EngineRenameTest, OnlyNodeIdKeysAreMadeOfAFormerName) {
    renamed("{slot: 0, static: {passphrase: wrong}}");
    expectClosed("u-fresh");
}

TEST_F(EngineRenameTest, SyncMakesTheKeyAnew) {
    renamed();
    const EngineResult plan = fresh("plan");
    EXPECT_EQ(plan.exitCode, 2);
    EXPECT_EQ(plan.steps(), Steps{"replace 0"});
    EXPECT_THAT(plan.last().at("steps")[0].at("reason").get<std::string>(),
                HasSubstr("renamed: its key is made of the name u-data"));
    EXPECT_TRUE(isThere(pinOf("u-data"))) << "plan writes nothing";
    const EngineResult sync = fresh("sync");
    ASSERT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, kNewId));
    EXPECT_FALSE(opens(0, kNodeId));
    EXPECT_EQ(record().at("volume"), "u-fresh");
    EXPECT_TRUE(isThere(pinOf("u-fresh")));
    EXPECT_FALSE(isThere(pinOf("u-data")));
    EXPECT_EQ(fresh("plan").exitCode, 0);
    EXPECT_EQ(fresh("sync").last().at("changed"), false);
}

TEST_F(EngineRenameTest, StatusTellsTheFormerName) {
    renamed();
    std::string told;
    for (const json &line : fresh("inspect").lines)
        if (line.at("type") == "warning") told += line.at("message").get<std::string>();
    EXPECT_THAT(told, Not(HasSubstr("another machine")));
    EXPECT_THAT(told, HasSubstr("u-data, as it was called before"));
    EXPECT_THAT(told, HasSubstr("volumecryptctl sync u-fresh"));
    ASSERT_EQ(fresh("sync").exitCode, 0);
    for (const json &line : fresh("inspect").lines) EXPECT_NE(line.at("type"), "warning");
}

TEST_F(EngineRenameTest, EveryNodeIdKeyIsMadeAnewAndOthersStay) {
    declare(
        "- {slot: 0, nodeID: {}}\n- {slot: 3, nodeID: {}}\n- {slot: 1, static: {passphrase: s}}");
    ASSERT_EQ(engine("sync").exitCode, 0);
    renamed("{slot: 0, nodeID: {}}, {slot: 3, nodeID: {}}, {slot: 1, static: {passphrase: s}}");
    EXPECT_EQ(fresh("sync").steps(), (Steps{"replace 0", "replace 3"}));
    EXPECT_TRUE(opens(0, kNewId) && opens(3, kNewId) && opens(1, "s"));
    EXPECT_EQ(fresh("plan").exitCode, 0);
}

// What people added stays theirs: the record is the same one.
TEST_F(EngineRenameTest, AddedKeysStayAdded) {
    const auto slot = engine("add-key", {}, "mine").last().at("slot").get<unsigned>();
    renamed();
    EXPECT_EQ(fresh("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(slot, "mine"));
    EXPECT_EQ(fresh("remove-key", {"--slot", std::to_string(slot)}).exitCode, 0);
}

// The new key has no room beside the old one, and no other key is known: the old one stays, and
// the name with it.
TEST_F(EngineRenameTest, WithoutRoomForTheNewKeyTheOldOneStays) {
    for (unsigned slot = 1; slot < 32; ++slot) {
        const std::string file = directory_.write("key", "foreign", std::filesystem::perms{0600});
        ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                              "--key-slot", std::to_string(slot), "--key-file", "-", image_, file},
                             kNodeId)
                      .exitCode,
                  0);
    }
    renamed();
    EXPECT_EQ(fresh("sync").code(), "LastKey");
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_EQ(record().at("volume"), "u-data");
    EXPECT_EQ(fresh("sync", {}, "foreign").exitCode, 0);
    EXPECT_TRUE(opens(0, kNewId));
    EXPECT_EQ(record().at("volume"), "u-fresh");
}

TEST_F(EngineRenameTest, AVolumeWithoutNodeIdKeysIsRenamedAsWell) {
    declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: s}}");
    ASSERT_EQ(engine("sync").exitCode, 0);
    declare("- {slot: 1, static: {passphrase: s}}");
    ASSERT_EQ(engine("sync").exitCode, 0);
    renamed("{slot: 1, static: {passphrase: s}}");
    const EngineResult sync = fresh("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{});
    EXPECT_EQ(record().at("volume"), "u-fresh");
    EXPECT_FALSE(isThere(pinOf("u-data")));
}

TEST_F(EngineRenameTest, TheNameComesBack) {
    renamed();
    ASSERT_EQ(fresh("sync").exitCode, 0);
    declare("- {slot: 0, nodeID: {}}");
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 0"});
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_FALSE(isThere(pinOf("u-fresh")));
}

// Ordered, not carried out, and then the volume went on under another name for years.
TEST_F(EngineRenameTest, AWipeOfTheFormerNameIsNoMine) {
    const std::string order = root_ + "/etc/volumecrypt/state/wipe/u-data";
    const auto uuid = engine("inspect").last().at("uuid").get<std::string>();
    ASSERT_TRUE(base::writeFileAtomically(order, uuid + "\n", 0600));
    renamed();
    const EngineResult sync = fresh("sync");
    ASSERT_EQ(sync.exitCode, 0) << sync.last().dump();
    std::string told;
    for (const json &line : sync.lines)
        if (line.at("type") == "warning") told += line.at("message").get<std::string>();
    EXPECT_THAT(told, HasSubstr("a wipe was ordered under its former name u-data"));
    EXPECT_FALSE(isThere(order));
    EXPECT_TRUE(opens(0, kNewId));
}

TEST_F(EngineRenameTest, AWipeOfAnotherVolumeOfThatNameStaysOrdered) {
    const std::string order = root_ + "/etc/volumecrypt/state/wipe/u-data";
    ASSERT_TRUE(base::writeFileAtomically(order, "00000000-1111-2222-3333-444444444444\n", 0600));
    renamed();
    ASSERT_EQ(fresh("sync").exitCode, 0);
    EXPECT_TRUE(isThere(order));
}

}  // namespace
}  // namespace volumecrypt::test

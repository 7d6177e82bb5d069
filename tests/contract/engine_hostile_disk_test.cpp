// SPDX-License-Identifier: Apache-2.0
// What somebody may have written to a disk to make us do his work: META, what lies in STATE, the
// header's JSON.
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <unistd.h>

#include "engine_meta_fixture.h"
#include "support/header_editor.h"

namespace volumecrypt::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Steps = std::vector<std::string>;

std::string metaWith(const std::string &keys) {
    return R"({"EncryptionProvider":"luks2","EncryptionKeys":[)" + keys + "]}";
}

constexpr const char *kNode = R"({"KeySlot":0,"KeyNodeID":{}})";

class HostileMetaTest : public EngineMetaFixture {
  protected:
    void tagWith(const std::string &keys) const { setTag(9, metaWith(keys)); }
    std::string allOf(const EngineResult &result) const {
        std::string text;
        for (const auto &line : result.lines) text += line.dump() + "\n";
        return text + result.err;
    }
};

TEST_F(HostileMetaTest, InterfacesInItAreNotOpened) {
    const std::string ran = directory_.path() + "/ran";
    declareState("");
    for (const std::string &tcti : {"cmd:touch " + ran, ran + ".so", std::string("pcap:cmd:x")}) {
        tagWith(R"({"KeySlot":0,"KeyTPM":{"TPMOptions":{"PCRs":[7]},"TCTI":")" + tcti + "\"}}");
        for (const char *verb : {"format", "plan", "sync", "inspect"}) {
            const EngineResult result = onState(verb);
            EXPECT_FALSE(fs::exists(ran)) << verb << ": the disk ran a command";
            EXPECT_THAT(allOf(result), Not(HasSubstr(ran))) << verb;
        }
    }
}

TEST_F(HostileMetaTest, FilesItNamesAreNoKeys) {
    const std::string file = directory_.write("root-only", "s3cret", fs::perms{0600});
    declareState("");
    tagWith(R"({"KeySlot":0,"KeyStatic":{"KeyData":"","PassphraseFile":")" + file + "\"}}");
    const EngineResult refused = onState("format");
    EXPECT_EQ(refused.code(), "HeaderCorrupt");
    EXPECT_THAT(allOf(refused), HasSubstr("META says that it is a static key and not which"));
    EXPECT_EQ(imageBytes().find_first_not_of('\0'), std::string::npos) << "nothing was written";
    // An older version wrote such entries: the others still open STATE.
    tagWith(std::string(kNode) + R"(,{"KeySlot":3,"KeyStatic":{"KeyData":"","PassphraseFile":")" +
            file + "\"}}");
    ASSERT_EQ(onState("format").exitCode, 0);
    EXPECT_TRUE(opens(0, std::string(kUuid) + "STATE"));
    EXPECT_FALSE(opens(3, "s3cret"));
}

// Whoever holds the disk would give himself a key, when the machine opens the volume for him.
TEST_F(HostileMetaTest, ItBringsNoKeysIntoAVolume) {
    formatted("{keys: [{slot: 0, nodeID: {}}, {slot: 1, static: {passphrase: mine}}]}");
    const std::string before = imageBytes();
    declareState("");
    tagWith(std::string(kNode) + R"(,{"KeySlot":5,"KeyStatic":{"KeyData":"theirs"}})");
    EXPECT_EQ(onState("plan").steps(), (Steps{"defer 1", "defer 5"}));
    const EngineResult synced = onState("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_EQ(synced.steps(), (Steps{"defer 1", "defer 5"}));
    EXPECT_THAT(allOf(synced), HasSubstr("META alone says so"));
    EXPECT_FALSE(opens(5, "theirs"));
    EXPECT_TRUE(opens(1, "mine")) << "and takes none out";
    tagWith(std::string(kNode) + R"(,{"KeySlot":1,"KeyStatic":{"KeyData":"theirs"}})");
    EXPECT_EQ(onState("sync").steps(), Steps{"defer 1"});
    EXPECT_TRUE(opens(1, "mine"));
    EXPECT_TRUE(imageBytes() == before) << "nothing was written";
}

TEST_F(HostileMetaTest, KeysItCannotHoldStayOutOfIt) {
    const std::string file = directory_.write("key", "s3cret", fs::perms{0600});
    formatted("{keys: [{slot: 0, nodeID: {}}, {slot: 1, static: {passphraseFile: " + file +
              "}}, {slot: 2, unmanaged: {}}]}");
    EXPECT_THAT(tag(9), AllOf(HasSubstr(R"("KeySlot":0)"), Not(HasSubstr(R"("KeySlot":1)")),
                              Not(HasSubstr(file)), Not(HasSubstr("nmanaged"))));
    // Without its declaration STATE still opens, and keeps the key that META does not know of.
    declareState("");
    const EngineResult synced = onState("sync");
    EXPECT_EQ(synced.exitCode, 0);
    EXPECT_TRUE(opens(1, "s3cret"));
}

TEST_F(HostileMetaTest, OldEntriesOfKeysItCannotHoldGo) {
    const std::string file = directory_.write("key", "s3cret", fs::perms{0600});
    setTag(10, "network");
    tagWith(kNode);
    formatted("{keys: [{slot: 1, static: {passphraseFile: " + file + "}}]}");
    EXPECT_EQ(tag(9), "(absent)");
    EXPECT_EQ(tag(10), "network");
    const std::string before = metaBytes();
    const EngineResult synced = onState("sync");
    EXPECT_THAT(allOf(synced), HasSubstr("META can hold none of its keys"));
    EXPECT_TRUE(metaBytes() == before) << "nothing differs, nothing is written";
}

TEST_F(HostileMetaTest, WhatADocumentMayNotSayItMayNotEither) {
    declareState("");
    for (const char *key : {R"({"KeySlot":1,"KeyNodeID":{},"KeyLockToSTATE":true})",
                            R"({"KeySlot":0,"KeyKMS":{"KMSEndpoint":"grpc://a b"}})",
                            R"({"KeySlot":0,"KeyKMS":{"KMSEndpoint":"file:///etc"}})",
                            R"({"KeySlot":0,"KeyKMS":{"KMSEndpoint":"grpc://\u001b[2Jx"}})",
                            R"({"KeySlot":0,"KeyKMS":{}})",
                            R"({"KeySlot":0,"KeyTPM":{"TPMOptions":{"PCRs":[1e30]}}})",
                            R"({"KeySlot":1e30,"KeyNodeID":{}})"}) {
        tagWith(key);
        const EngineResult refused = onState("plan");
        EXPECT_EQ(refused.code(), "HeaderCorrupt") << key;
        EXPECT_THAT(allOf(refused), Not(HasSubstr("u001b"))) << key;
    }
}

TEST_F(HostileMetaTest, DeepJsonIsRefused) {
    const std::string deep = std::string(120'000, '[') + std::string(120'000, ']');
    declareState("{keys: [{slot: 0, nodeID: {}}]}");
    for (const std::string &json :
         {deep, R"({"EncryptionKeys":[{"KeyStatic":{"KeyData":)" + deep + "}}]}"}) {
        setTag(9, json);
        const EngineResult seen = onState("inspect");
        ASSERT_EQ(seen.exitCode, 0) << seen.err;
        EXPECT_THAT(seen.last().at("meta").dump(), HasSubstr("(unreadable)"));
    }
    declareState("");
    EXPECT_EQ(onState("plan").code(), "HeaderCorrupt");
}

TEST_F(HostileMetaTest, TheUuidIsOneLineOfText) {
    for (const std::string &uuid :
         {std::string("\x1b[2J"), std::string("a\nb"), std::string("\xff"), std::string(256, 'a'),
          std::string("a\0b", 3)}) {
        setTag(15, uuid);
        declareState("{keys: [{slot: 0, nodeID: {}}]}");
        const EngineResult refused = onState("format");
        EXPECT_EQ(refused.exitCode, 1);
        EXPECT_THAT(allOf(refused), HasSubstr("META: the UUID in its tag 15"));
    }
}

// ---- what lies in STATE

class HostileStateTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        writeConfig(
            "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nencryption: {keys: [{nodeID: "
            "{}}]}\n---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: "
            "{device: " +
            image_ +
            "}\nencryption: {keys: [{slot: 1, static: {passphrase: mine}}, {slot: 2, static:"
            " {passphrase: other}, lockToState: true}]}\n");
        fs::create_directories(state_ + "/volumecrypt/pins");
        fs::create_directories(outside_);
        // Adopted, and so in use and pinned.
        ASSERT_EQ(
            cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "argon2id",
                        "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32", "--pbkdf-parallel",
                        "1", "--key-slot", "1", "--key-file", "-", image_},
                       "mine")
                .exitCode,
            0);
        ASSERT_EQ(engine("sync").exitCode, 0);
        ASSERT_TRUE(fs::is_regular_file(pin_));
    }
    // Everything that is no regular file, or far too long.
    void putInPlaceOf(const std::string &path, const std::string &kind) const {
        fs::remove_all(path);
        if (kind == "fifo" && ::mkfifo(path.c_str(), 0600) != 0) FAIL() << path;
        if (kind == "directory") fs::create_directory(path);
        if (kind == "link") fs::create_symlink(outside_ + "/file", path);
        if (kind == "huge") {
            std::ofstream(path).close();
            fs::resize_file(path, std::uintmax_t{1} << 40);
        }
    }

    std::string state_ = root_ + "/system/state";
    std::string pin_ = state_ + "/volumecrypt/pins/u-data.json";
    std::string salt_ = state_ + "/encryption-salt.yaml";
    std::string outside_ = directory_.path() + "/outside";
    static constexpr const char *kKinds[] = {"fifo", "directory", "link", "huge"};
};

TEST_F(HostileStateTest, APinIsARegularFile) {
    ASSERT_TRUE(base::writeFileAtomically(outside_ + "/file", *base::readFile(pin_), 0600));
    for (const char *kind : kKinds) {
        putInPlaceOf(pin_, kind);
        const EngineResult refused = engine("sync");
        EXPECT_EQ(refused.code(), "Io") << kind;
        EXPECT_THAT(refused.last().at("message").get<std::string>(), HasSubstr(pin_)) << kind;
        EXPECT_THAT(refused.last().at("hint").get<std::string>(), HasSubstr("forget u-data"))
            << kind;
    }
    for (const char *kind : kKinds) {
        putInPlaceOf(pin_, kind);
        EXPECT_EQ(engine("forget", {"--confirm", "u-data"}).exitCode, 0) << kind;
        EXPECT_FALSE(fs::exists(fs::symlink_status(pin_))) << kind;
    }
    EXPECT_TRUE(fs::exists(outside_ + "/file"));
}

TEST_F(HostileStateTest, PinsAreNotWrittenElsewhere) {
    fs::remove_all(state_ + "/volumecrypt/pins");
    fs::create_symlink(outside_, state_ + "/volumecrypt/pins");
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "Io");
    EXPECT_THAT(refused.last().at("message").get<std::string>(),
                HasSubstr(state_ + "/volumecrypt/pins is no directory"));
    EXPECT_TRUE(fs::is_empty(outside_));
}

TEST_F(HostileStateTest, ThePinsTextIsNotTrusted) {
    for (const std::string &text :
         {std::string(20'000, '[') + std::string(20'000, ']'), std::string("{\"uuid\":"),
          std::string(R"({"uuid":[[]],"digest":1e30})")}) {
        ASSERT_TRUE(base::writeFileAtomically(pin_, text, 0600));
        const EngineResult refused = engine("sync");
        EXPECT_THAT(refused.code(), ::testing::AnyOf("HeaderCorrupt", "ForeignVolume"));
    }
}

TEST_F(HostileStateTest, TheSaltIsARegularFile) {
    ASSERT_TRUE(base::writeFileAtomically(outside_ + "/file", *base::readFile(salt_), 0600));
    for (const char *kind : kKinds) {
        putInPlaceOf(salt_, kind);
        // The key without the salt opens the volume; the other waits for it.
        const EngineResult synced = engine("sync");
        EXPECT_EQ(synced.exitCode, 0) << kind << ": " << synced.last().dump();
        EXPECT_EQ(synced.last().at("unlockedBySlot"), 1) << kind;
        EXPECT_THAT(synced.last().at("steps").dump(), HasSubstr("encryption-salt.yaml")) << kind;
    }
}

// ---- the header

class HostileHeaderTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 0, nodeID: {}}");
        ASSERT_EQ(engine("format").exitCode, 0);
    }
};

TEST_F(HostileHeaderTest, DeepJsonIsCorrupt) {
    const HeaderEditor editor(image_);
    const std::string good = editor.json().dump();
    // What fits into the metadata area.
    const std::string deep = std::string(4000, '[') + std::string(4000, ']');
    std::string token = good;
    const std::string tokens = "\"tokens\":{";
    token.insert(token.find(tokens) + tokens.size(),
                 R"("5":{"type":"x","keyslots":[],"y":)" + deep + "},");
    for (const std::string &text : {deep, token}) {
        editor.setJsonText(text);
        for (const char *verb : {"inspect", "plan", "sync"}) {
            const EngineResult refused = engine(verb);
            EXPECT_EQ(refused.code(), "HeaderCorrupt") << verb << refused.err;
        }
    }
}

TEST_F(HostileHeaderTest, NumbersThatAreNone) {
    const HeaderEditor editor(image_);
    const auto recordIn = [](nlohmann::json &json) -> nlohmann::json & {
        for (auto &token : json.at("tokens"))
            if (token.at("type") == "volumecrypt") return token;
        return json;
    };
    for (const nlohmann::json &version :
         {nlohmann::json(1e30), nlohmann::json(-1), nlohmann::json(1.0), nlohmann::json("1")}) {
        editor.change([&](nlohmann::json &json) { recordIn(json)["version"] = version; });
        const EngineResult seen = engine("plan");
        EXPECT_THAT(seen.code(), IsEmpty()) << seen.last().dump();
        std::string warnings;
        for (const auto &line : seen.lines)
            if (line.at("type") == "warning") warnings += line.at("message").get<std::string>();
        EXPECT_THAT(warnings, HasSubstr("its version is no number"));
    }
    editor.change([&](nlohmann::json &json) { recordIn(json)["version"] = 4294967297; });
    EXPECT_THAT(engine("sync").last().dump(), HasSubstr("version 4294967297"));
}

}  // namespace
}  // namespace volumecrypt::test

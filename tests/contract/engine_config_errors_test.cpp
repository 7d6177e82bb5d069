// SPDX-License-Identifier: Apache-2.0
// What is wrong with the configuration, or with what it names, and how the engine says so.
#include <filesystem>

#include "support/error_matrix.h"

namespace volumecrypt::test {
namespace {

constexpr const char *kConfigKey = "- {slot: 1, static: {passphrase: secret}}";
constexpr const char *kCorrect = "Correct the configuration; nothing was changed.";

class EngineConfigErrors : public ErrorMatrix, public testing::WithParamInterface<ErrorCase> {};

TEST_P(EngineConfigErrors, AreTold) {
    check(GetParam());
}

std::string document(const std::string &device, const std::string &more = "") {
    return "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " + device +
           "}\n" + more;
}

// A LUKS2 volume that the declared key opens, but for what is wrong with the declaration.
std::function<void(ErrorMatrix &)> declared(const std::string &keys,
                                            const std::string &extra = "") {
    return [=](ErrorMatrix &t) {
        t.luksFormat("secret", 1);
        t.declare(keys, extra);
    };
}

const std::vector<ErrorCase> kConfigCases{
    {.name = "InvalidYaml",
     .prepare = [](ErrorMatrix &t) { t.writeConfig("kind: [UserVolumeConfig\nname: data\n"); },
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:2:5: YAML: end of sequence flow not found",
     .hint = kCorrect},
    {.name = "UnknownField",
     .prepare = declared(kConfigKey, "keyz: 1"),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:8:3: unknown field \"keyz\" of encryption; "
                "did you mean \"keys\"?",
     .hint = kCorrect},
    {.name = "TwoDocuments",
     .prepare =
         [](ErrorMatrix &t) { t.writeConfig(document(t.image_) + "---\n" + document(t.image_)); },
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:6:1: u-data is declared twice, first at "
                "CONFIG/volumes.yaml:1:1",
     .hint = kCorrect},
    {.name = "Slot32",
     .prepare = declared("- {slot: 32, static: {passphrase: secret}}"),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:9:14: slot 32 is out of range (0-31)",
     .hint = kCorrect},
    {.name = "OneSlotForTwoKeys",
     .prepare = declared(std::string(kConfigKey) + "\n- {slot: 1, nodeID: {}}"),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:10:14: duplicate key slot 1",
     .hint = kCorrect},
    {.name = "TwoVolumesOnOneDevice",
     .prepare =
         [](ErrorMatrix &t) {
             t.writeConfig(document(t.image_) +
                           "---\napiVersion: v1alpha1\nkind: RawVolumeConfig\nname: other\n"
                           "volume: {device: " +
                           t.image_ + "}\n");
         },
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:4:18: device IMAGE is also that of r-other "
                "(CONFIG/volumes.yaml:9:18)",
     .hint = kCorrect},
    {.name = "PassphraseForEverybody",
     .prepare =
         [](ErrorMatrix &t) {
             t.declare(kConfigKey);
             std::filesystem::permissions(t.configDir_ + "/volumes.yaml",
                                          std::filesystem::perms{0644});
         },
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:9:38: the file holds a passphrase but others "
                "may read or write it (mode 0644): chmod it to 0600",
     .hint = kCorrect},
    {.name = "EveryProblemIsTold",
     .prepare = declared("- {slot: 40, nodeID: {}}\n- {slot: 41, nodeID: {}}"),
     .verb = "plan",
     .code = "InvalidConfig",
     .message = "CONFIG/volumes.yaml:9:14: slot 40 is out of range "
                "(0-31)\nCONFIG/volumes.yaml:10:14: slot 41 is out of range (0-31)",
     .hint = kCorrect},
    {.name = "NotDeclared",
     .prepare =
         [](ErrorMatrix &t) {
             t.writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: other\n");
         },
     .verb = "sync",
     .code = "NotFound",
     .message = "volume u-data is not declared in the configuration",
     .hint = "Add a document for it to a file in CONFIG."},
    {.name = "NoSuchDevice",
     .prepare = [](ErrorMatrix &t) { t.writeConfig(document("/dev/does-not-exist")); },
     .verb = "sync",
     .code = "NotFound",
     .message = "volume u-data: /dev/does-not-exist does not exist",
     .hint = "Connect the disk, or correct volume.device."},
    {.name = "NoPartitionWithTheLabel",
     .prepare =
         [](ErrorMatrix &t) {
             t.writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n");
         },
     .verb = "sync",
     .code = "NotFound",
     .message = "volume u-data: no partition has the GPT label \"u-data\"",
     .hint = "Create or label the partition, or name the device in "
             "volume.device."},
    {.name = "DeviceIsADirectory",
     .prepare = [](ErrorMatrix &t) { t.writeConfig(document(t.root_)); },
     .verb = "sync",
     .code = "Unsupported",
     .message = "volume u-data: ROOT is neither a block device nor a plain file",
     .hint = "Correct volume.device."},
    {.name = "AttachOfAFile",
     .prepare = declared(kConfigKey),
     .verb = "attach",
     .code = "Unsupported",
     .message = "volume u-data (IMAGE) is a plain file: it cannot be mapped",
     .hint = "Set a loop device up for it (`losetup --find --show IMAGE`) and declare that."},
    {.name = "KeysOfAPlainVolume",
     .prepare = [](ErrorMatrix &t) { t.writeConfig(document(t.image_)); },
     .verb = "add-key",
     .code = "Unsupported",
     .message = "volume u-data is declared without encryption: it has no keys",
     .hint = "",
     .secret = "new"},
    {.name = "FormatOfAPlainVolume",
     .prepare = [](ErrorMatrix &t) { t.writeConfig(document(t.image_)); },
     .verb = "format",
     .code = "Unsupported",
     .message = "volume u-data is declared without encryption: there is no header "
                "to write",
     .hint = "A plain volume gets its file system when it is attached."},
    {.name = "NoKeyFileToFormatWith",
     .prepare =
         [](ErrorMatrix &t) {
             t.declare("- {slot: 0, static: {passphraseFile: " + t.root_ + "/absent}}");
         },
     .verb = "format",
     .code = "NoUsableKey",
     .message = "volume u-data (IMAGE): none of the declared keys can be had, so "
                "it was not formatted: slot 0: open ROOT/absent: No such file or "
                "directory",
     .hint = "Correct the keys in the configuration; nothing was written."},
    {.name = "KeyFileForEverybody",
     .prepare =
         [](ErrorMatrix &t) {
             const std::string file = t.directory_.write("root/key", "secret");
             t.luksFormat("secret", 0);
             t.declare("- {slot: 0, static: {passphraseFile: " + file + "}}");
         },
     .verb = "sync",
     .code = "NoUsableKey",
     .message = "volume u-data (IMAGE): no declared key opens it: slot 0: ROOT/key "
                "holds a passphrase and can be read by others",
     .hint = "Run `chmod 0600 ROOT/key`. Give a passphrase that opens it: `volumecryptctl unlock "
             "u-data "
             "--passphrase` asks for one and brings the declared keys in."},
};

INSTANTIATE_TEST_SUITE_P(Table, EngineConfigErrors, testing::ValuesIn(kConfigCases), nameOfCase);

// Who reads one of these errors in the emergency shell learns how to get out of there; at any other
// time, and of any other volume, the sentence would only be in the way.
class WayOn : public VolumeFixture {
  protected:
    [[nodiscard]] std::string hintOf(const std::string &verb) const {
        const EngineResult result = engine(verb);
        EXPECT_EQ(result.exitCode, 1) << result.last().dump();
        return result.last().value("hint", "");
    }
    void expectWayOn(const std::string &device, const std::string &more,
                     const std::string &hintBefore) {
        const auto mount = [](const char *required) {
            return "mount: {where: /srv/data, required: " + std::string(required) + "}\n";
        };
        writeConfig(document(device, mount("true") + more));
        EXPECT_EQ(hintOf("attach"),
                  hintBefore +
                      "In the emergency shell, `systemctl default` goes on with the boot "
                      "once that is mended.");
        EXPECT_THAT(engine("sync").last().dump(),
                    testing::Not(testing::HasSubstr("systemctl default")));
        writeConfig(document(device, mount("false") + more));
        EXPECT_THAT(hintOf("attach"), testing::Not(testing::HasSubstr("systemctl default")));
    }
};

TEST_F(WayOn, EveryErrorOfARequiredVolumeNamesIt) {
    const std::string keys = "encryption: {keys: [" + std::string(kConfigKey + 2) + "]}\n";
    makeImage();
    expectWayOn(
        image_, keys,
        "Set a loop device up for it (`losetup --find --show " + image_ + "`) and declare that. ");
    const std::string luks2 = "--type=luks2";
    ASSERT_EQ(cryptsetup({"luksFormat", luks2, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                          "1000", "--key-file", "-", image_},
                         "secret")
                  .exitCode,
              0);
    expectWayOn(image_, "filesystem: {type: ext4}\n",
                "Nothing was written. Declare its `encryption`, or make it plain with its data: "
                "`volumecryptctl decrypt u-data`. ");
    // One that has no advice of its own, too.
    const std::string missing = directory_.path() + "/missing";
    writeConfig(document(missing, keys));
    const std::string before = hintOf("attach");
    expectWayOn(missing, keys, before.empty() ? before : before + " ");
}

}  // namespace
}  // namespace volumecrypt::test

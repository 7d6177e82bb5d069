// SPDX-License-Identifier: Apache-2.0
// To and from Talos: volumes made by its very cryptsetup commands (only the cost of the key slots
// is lower), and our own headers under its rules.
#include <filesystem>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/talos_rules.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;
using Steps = std::vector<std::string>;

const std::vector<std::string> kCheap{
    "--pbkdf",        "argon2id", "--pbkdf-force-iterations", "4",
    "--pbkdf-memory", "32",       "--pbkdf-parallel",         "1"};

class TalosInteropTest : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(); }

    int run(std::vector<std::string> arguments, const std::string &input) const {
        arguments.insert(arguments.end(), kCheap.begin(), kCheap.end());
        const ProcessResult result = cryptsetup(std::move(arguments), input);
        if (result.exitCode != 0) ADD_FAILURE() << result.err;
        return result.exitCode;
    }
    void talosFormat(unsigned slot, const std::string &key) const {
        run({"luksFormat", "--type", "luks2", "--key-file=-",
             "--keyfile-size=" + std::to_string(key.size()), "-c", "aes-xts-plain64", image_,
             "--key-slot=" + std::to_string(slot), "--key-size=512"},
            key);
    }
    void talosAdd(unsigned slot, const std::string &old, const std::string &key) const {
        run({"luksAddKey", image_, "--key-file=-", "--keyfile-size=" + std::to_string(old.size()),
             "--new-keyfile=-", "--new-keyfile-size=" + std::to_string(key.size()),
             "--key-size=512", "--key-slot=" + std::to_string(slot)},
            old + key);
    }
    void declareThree(const std::string &passphrase) {
        writeConfig(
            "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nencryption: {keys: [{nodeID: "
            "{}}]}\n---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: "
            "{device: " +
            image_ +
            "}\nencryption:\n  provider: luks2\n  keys:\n    - {slot: 0, nodeID: {}}\n    - "
            "{slot: 1, static: {passphrase: " +
            passphrase +
            "}}\n    - {slot: 2, static: {passphrase: topsecret}, lockToState: true}\n");
    }
};

TEST_F(TalosInteropTest, ItsVolumeIsOpenedAdoptedAndSynced) {
    const std::string salt =
        "0123456789abcdef\n0123456789abcde";  // with a newline, as one in eight
    std::string file = "diskSalt:\n";
    for (const char c : salt) file += "    - " + std::to_string(static_cast<int>(c)) + "\n";
    ASSERT_TRUE(
        base::writeFileAtomically(root_ + "/system/state/encryption-salt.yaml", file, 0600));
    talosFormat(0, kNodeId);
    talosAdd(1, kNodeId, "first");
    talosAdd(2, kNodeId, "topsecret" + salt);
    ASSERT_THAT(talosObjections(imageBytes()), IsEmpty());
    declareThree("first");
    const EngineResult sync = engine("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), (Steps{"adopt 0", "adopt 1", "adopt 2"}));
    EXPECT_THAT(talosObjections(imageBytes()), IsEmpty());
    EXPECT_EQ(engine("plan").exitCode, 0);
    declareThree("second");
    EXPECT_EQ(engine("sync").steps(), Steps{"replace 1"});
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_TRUE(opens(1, "second"));
    EXPECT_TRUE(opens(2, "topsecret" + salt));
    EXPECT_THAT(talosObjections(imageBytes()), IsEmpty());
}

TEST_F(TalosInteropTest, ItAcceptsWhatWeFormat) {
    std::filesystem::create_directories(root_ + "/system/state");
    for (const char *more : {"", "\n  keySize: 256", "\n  blockSize: 512"}) {
        declareThree("first");
        std::string yaml = *base::readFile(configDir_ + "/volumes.yaml");
        const std::string provider = "  provider: luks2";
        yaml.replace(yaml.find(provider), provider.size(), provider + more);
        writeConfig(yaml);
        const EngineResult made = engine("format", {"--force", "--confirm", "u-data"});
        ASSERT_EQ(made.exitCode, 0) << more << made.last().dump();
        EXPECT_THAT(talosObjections(imageBytes()), IsEmpty()) << more;
        EXPECT_EQ(engine("add-key", {}, "another").exitCode, 0);
        EXPECT_THAT(talosObjections(imageBytes()), IsEmpty()) << more;
    }
}

// Its own list of what it must refuse, each one change away from a header that is accepted.
TEST_F(TalosInteropTest, TheRulesRefuseWhatTheyShould) {
    talosFormat(0, "first");
    const Json good = metadataOf(imageBytes());
    ASSERT_THAT(talosObjections(2, good), IsEmpty());
    const auto with = [&](const char *pointer, const Json &value) {
        Json changed = good;
        changed[Json::json_pointer(pointer)] = value;
        return talosObjections(2, changed);
    };
    EXPECT_THAT(talosObjections(1, good), Contains("version"));
    EXPECT_THAT(with("/keyslots/0/type", "luks1"), Contains("keyslot 0: type"));
    EXPECT_THAT(with("/keyslots/0/area/encryption", "serpent-xts-plain64"),
                Contains("keyslot 0: area encryption"));
    EXPECT_THAT(with("/keyslots/0/kdf/type", "pbkdf2"), Contains("keyslot 0: kdf"));
    EXPECT_THAT(with("/keyslots", Json::object()), Contains("no keyslots found"));
    EXPECT_THAT(with("/segments/1", good.at("segments").at("0")), Contains("segments"));
    EXPECT_THAT(with("/segments/0/type", "linear"), Contains("segment type"));
    EXPECT_THAT(with("/segments/0/encryption", "cipher_null-ecb"), Contains("segment encryption"));
    EXPECT_THAT(with("/segments/0/flags", Json::array({"allow-discards"})),
                Contains("segment flags"));
    EXPECT_THAT(with("/keyslots/0/kdf/type", "argon2i"), IsEmpty());
    EXPECT_THAT(with("/keyslots/0/area/encryption", "xchacha12,aes-adiantum-plain64"), IsEmpty());
}

TEST_F(TalosInteropTest, KeysWithANewline) {
    const std::string key = "salt\nwithnewline";
    talosFormat(0, "pass0");
    // Releases before 1.12.5 cut such a key.
    run({"luksAddKey", image_, "--key-file=-", "--keyfile-size=5", "--key-slot=1"}, "pass0" + key);
    EXPECT_TRUE(opens(1, "salt"));
    EXPECT_FALSE(opens(1, key));
    talosAdd(2, "pass0", key);
    EXPECT_TRUE(opens(2, key));
    declare(
        "- {slot: 0, static: {passphrase: pass0}}\n- {slot: 3, static: {passphrase: "
        "\"salt\\nwithnewline\"}}");
    EXPECT_EQ(engine("sync").steps(), (Steps{"adopt 0", "add 3"}));
    EXPECT_TRUE(opens(3, key));
    EXPECT_FALSE(opens(3, "salt"));
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// decrypt: a volume becomes plain where it is; what it refuses, it leaves to the bit as it was.
// That nothing is lost wherever it is interrupted: tests/crash/decrypt_scenarios.py.
#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <openssl/evp.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kHeader = 16 * kMebibyte;
constexpr const char *kKeys = "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: secret}}";

class EngineDecrypt : public VolumeFixture {
  protected:
    static void must(const std::vector<std::string> &argv) {
        const ProcessResult done = Process{.argv = argv, .input = {}, .secret = {}}.run();
        ASSERT_EQ(done.exitCode, 0) << argv.front() << ": " << done.out << done.err;
    }
    void declarePlain(const std::string &type = "ext4", const std::string &name = "data") {
        writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
                    "\nvolume: {device: " + image_ + "}\nfilesystem: {type: " + type + "}\n");
    }
    // A volume of ours with a file system of so many bytes in it: encrypted where it is. It is
    // declared plain then.
    void makeVolume(std::uint64_t filesystem = 20 * kMebibyte) {
        declare(kKeys);
        makeImage(64 * kMebibyte);
        must({"mkfs.ext4", "-q", "-b", "4096", "-d", configDir_, image_,
              std::to_string(filesystem / 1024) + "k"});
        plain_ = imageBytes().substr(0, filesystem);
        const EngineResult result = engine("encrypt");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
        declarePlain();
    }
    [[nodiscard]] EngineResult decrypt(const std::optional<std::string> &secret = "secret",
                                       const std::string &id = "u-data") const {
        return engine("decrypt", {}, secret, id);
    }
    // With this code, in these words, and with what to do; nothing is written.
    void expectRefused(const std::string &code, const std::string &message, const std::string &hint,
                       const std::optional<std::string> &secret = "secret",
                       const std::string &id = "u-data") {
        const std::string before = imageBytes();
        const EngineResult result = decrypt(secret, id);
        ASSERT_EQ(result.exitCode, 1) << result.last().dump();
        EXPECT_EQ(result.code(), code) << result.last().dump();
        EXPECT_THAT(result.last().value("message", ""), AllOf(HasSubstr(id), HasSubstr(message)));
        EXPECT_THAT(result.last().value("hint", ""), HasSubstr(hint));
        EXPECT_TRUE(imageBytes() == before);
    }
    void expectDecrypted(const EngineResult &result) {
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
        EXPECT_EQ(result.last().value("state", ""), "plain");
        EXPECT_TRUE(result.last().value("changed", false));
        const std::string after = imageBytes();
        EXPECT_EQ(after.size(), 64 * kMebibyte);
        EXPECT_TRUE(after.substr(0, plain_.size()) == plain_);
        EXPECT_EQ(after.find("VOLUMECRYPT-"), std::string::npos);
        EXPECT_EQ(engine("attach").last().value("state", ""), "plain");
        EXPECT_FALSE(engine("inspect").last().value("pinned", true));
        EXPECT_FALSE(decrypt(std::nullopt).last().value("changed", true));
    }
    // So many bytes of the plain data, in whole sectors of 4096 bytes, as dm-crypt would write
    // them.
    void rewrite(std::uint64_t sector, std::string plain);
    // SIGTERM in the middle of the data.
    void stop(const std::string &verb) const {
        const ProcessResult run = Process{
            .argv = {"timeout", "-s", "TERM", "--preserve-status", "5", VOLUMECRYPT_ENGINE, verb,
                     "u-data", "--root", root_, "--config-dir", configDir_, "--output", "json",
                     "--test-kdf", "--rate", "1000000", "--secret-fd", "0"},
            .input = "secret",
            .secret = {}}.run();
        EXPECT_EQ(run.exitCode, 75) << run.out << run.err;
    }
    void writeAt(std::uint64_t offset, const std::string &bytes) {
        std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(offset));
        file << bytes;
        ASSERT_TRUE(file.good());
    }

    std::string plain_;
};

void EngineDecrypt::rewrite(std::uint64_t sector, std::string plain) {
    const std::string file = directory_.path() + "/volume-key";
    cryptsetup({"luksDump", "--batch-mode", "--dump-volume-key", "--volume-key-file", file,
                "--key-file", "-", image_},
               "secret");
    std::ifstream stream(file, std::ios::binary);
    const std::string key((std::istreambuf_iterator<char>(stream)), {});
    ASSERT_EQ(key.size(), 64U);
    std::array<unsigned char, 16> tweak{static_cast<unsigned char>(sector * 8)};
    const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX *)> context(EVP_CIPHER_CTX_new(),
                                                                              EVP_CIPHER_CTX_free);
    auto *bytes = reinterpret_cast<unsigned char *>(plain.data());
    int length = 0;
    ASSERT_EQ(EVP_EncryptInit_ex(context.get(), EVP_aes_256_xts(), nullptr,
                                 reinterpret_cast<const unsigned char *>(key.data()), tweak.data()),
              1);
    ASSERT_EQ(EVP_EncryptUpdate(context.get(), bytes, &length, bytes, 4096), 1);
    writeAt(kHeader + sector * 4096, plain);
}

TEST_F(EngineDecrypt, DataStaysAndTheHeaderGoes) {
    makeVolume();
    expectDecrypted(decrypt());
}

TEST_F(EngineDecrypt, AnyKeyThatOpensItWillDo) {
    makeVolume();
    expectDecrypted(decrypt(kNodeId));
}

TEST_F(EngineDecrypt, WhatIsDeclaredEncryptedStaysSo) {
    makeVolume();
    declare(kKeys);
    expectRefused("Unsupported", "is declared encrypted", "Take `encryption` out of its document");
}

TEST_F(EngineDecrypt, NeedsASecretThatOpensIt) {
    makeVolume();
    expectRefused("NoUsableKey", "a passphrase or a recovery key is needed", "decrypt u-data",
                  std::nullopt);
    expectRefused("KeyRejected", "opens none of its key slots", "Check the passphrase", "wrong");
}

TEST_F(EngineDecrypt, OthersVolumesAreLeftAlone) {
    makeVolume();
    declarePlain("ext4", "other");
    expectRefused("ForeignVolume", "its record names it u-data", "Declare it under that name",
                  "secret", "u-other");
    declarePlain();
    // Another one in its place.
    cryptsetup({"luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
                "--pbkdf-force-iterations", "1000", "--key-file", "-", image_},
               "secret");
    expectRefused("ForeignVolume", "it has no record of ours", "take it over");
}

TEST_F(EngineDecrypt, ThePinnedVolumeOnly) {
    makeVolume();
    const std::string pin = root_ + "/etc/volumecrypt/state/pins/u-data.json";
    std::ifstream stream(pin);
    auto json = nlohmann::json::parse(stream);
    json["uuid"] = "c0ffee00-1234-4321-8765-0a1b2c3d4e5f";
    std::ofstream(pin) << json.dump();
    expectRefused("ForeignVolume", "is not the volume that this machine made",
                  "volumecryptctl forget u-data");
}

TEST_F(EngineDecrypt, RoomForTheHeaderIsNeeded) {
    // A plain file has no mapping through which a file system could be made smaller.
    makeVolume(32 * kMebibyte);
    expectRefused("NoSpace", "needs 20 MiB behind the ext4 file system, 4 MiB are lacking",
                  "Make the partition larger by 4 MiB or more");
}

TEST_F(EngineDecrypt, TheFileSystemMustBeClean) {
    makeVolume();
    std::string first = plain_.substr(0, 4096);
    // s_state: neither clean nor anything else.
    first[1024 + 0x3a] = 0;
    rewrite(0, first);
    expectRefused("Unsupported", "its file system is marked as one with errors", "Nothing was");
}

TEST_F(EngineDecrypt, TheDeclaredFileSystemOnly) {
    makeVolume();
    declarePlain("xfs");
    expectRefused("NotBlank", "filesystem type mismatch: ext4 != xfs", "Declare the type");
    declarePlain();
    rewrite(0, std::string(4096, '\7'));
    expectRefused("NotBlank", "holds data of unknown kind in its encryption",
                  "volumecryptctl wipe");
}

TEST_F(EngineDecrypt, NotBeforeAnotherJobIsDone) {
    makeVolume();
    declare(kKeys);
    stop("reencrypt");
    declarePlain();
    expectRefused("Busy", "a change of its volume key is unfinished", "rotate-volume-key u-data");
}

TEST_F(EngineDecrypt, StoppedItGoesOnAndNothingElseTouchesIt) {
    makeVolume();
    stop("decrypt");
    const std::string before = imageBytes();
    EXPECT_TRUE(before.starts_with("VOLUMECRYPT-DECRYPTING"));
    EXPECT_EQ(engine("inspect").last().value("state", ""), "reencrypting");
    EXPECT_EQ(engine("attach").code(), "HeaderRefused");
    expectRefused("NoUsableKey", "a passphrase or a recovery key", "decrypt u-data", std::nullopt);
    expectRefused("KeyRejected", "opens none of its key slots", "Check the passphrase", "wrong");
    declare(kKeys);
    for (const char *verb : {"sync", "plan", "format", "encrypt"})
        EXPECT_NE(engine(verb).exitCode, 0) << verb;
    EXPECT_THAT(engine("sync").last().value("hint", ""), HasSubstr("decrypt u-data` goes on"));
    declarePlain("ext4", "other");
    expectRefused("HeaderRefused", "the decryption of another volume", "Declare the device",
                  "secret", "u-other");
    declarePlain();
    EXPECT_TRUE(imageBytes() == before);
    expectDecrypted(decrypt());
}

TEST_F(EngineDecrypt, WhatIsPutAsideMustBeWhole) {
    makeVolume();
    stop("decrypt");
    // A key slot in the copy of the header.
    writeAt(64 * kMebibyte - 20 * kMebibyte + kMebibyte, "x");
    expectRefused("HeaderCorrupt", "is not there any more", "Copy the device before anything else");
}

}  // namespace
}  // namespace volumecrypt::test

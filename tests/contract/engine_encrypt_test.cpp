// SPDX-License-Identifier: Apache-2.0
// encrypt: a plain file system becomes a volume where it is; what it refuses, it leaves to the bit
// as it was. That nothing is lost wherever it is interrupted: tests/crash/encrypt_scenarios.py.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kEncryptRoom = 32 * kMebibyte;
constexpr const char *kEncryptKeys =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: secret}}";

class EngineEncrypt : public VolumeFixture {
  protected:
    void SetUp() override { declareType("ext4"); }
    void declareType(const std::string &type, const std::string &extra = "",
                     const std::string &keys = kEncryptKeys) {
        const bool isSwap = type == "swap";
        id_ = isSwap ? "s-data" : "u-data";
        std::string yaml = "apiVersion: v1alpha1\nkind: ";
        yaml += isSwap ? "SwapVolumeConfig" : "UserVolumeConfig";
        yaml += "\nname: data\nvolume: {device: " + image_ + "}\n";
        if (!isSwap) yaml += "filesystem: {type: " + type + "}\n";
        yaml += "encryption:\n  provider: luks2\n" + extra + "  keys:\n";
        std::istringstream lines(keys);
        for (std::string line; std::getline(lines, line);) yaml += "    " + line + "\n";
        writeConfig(yaml);
    }
    static std::string fmtByte(char byte) {
        constexpr const char *kDigits = "0123456789abcdef";
        const auto value = static_cast<unsigned char>(byte);
        return {kDigits[value / 16], kDigits[value % 16]};
    }
    static void must(const std::vector<std::string> &argv) {
        const ProcessResult done = Process{.argv = argv, .input = {}, .secret = {}}.run();
        ASSERT_EQ(done.exitCode, 0) << argv.front() << ": " << done.out << done.err;
    }
    // A file system of so many bytes at the beginning of a device.
    void ext4(std::uint64_t device, std::uint64_t size, const char *block = "1024") {
        makeImage(device);
        must({"mkfs.ext4", "-q", "-b", block, image_, std::to_string(size / 1024) + "k"});
    }
    void writeAt(std::uint64_t offset, const std::string &bytes) {
        std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(offset));
        file << bytes;
        ASSERT_TRUE(file.good());
    }
    // With this code, in these words, and with what to do; nothing is written.
    void expectRefused(const std::string &code, const std::string &message,
                       const std::string &hint) {
        const std::string before = imageBytes();
        const EngineResult result = work("encrypt");
        ASSERT_EQ(result.exitCode, 1) << result.last().dump();
        EXPECT_EQ(result.code(), code) << result.last().dump();
        EXPECT_THAT(result.last().value("message", ""), AllOf(HasSubstr(id_), HasSubstr(message)));
        EXPECT_THAT(result.last().value("hint", ""), HasSubstr(hint));
        EXPECT_TRUE(imageBytes() == before);
    }
    void expectEncrypted(const std::string &sectorSize) {
        const EngineResult result = work("encrypt");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
        EXPECT_EQ(result.last().value("state", ""), "locked");
        EXPECT_TRUE(result.last().value("changed", false));
        EXPECT_TRUE(opens(0, std::string(kUuid) + id_) && opens(1, "secret"));
        EXPECT_THAT(dump(), AllOf(HasSubstr("sector: " + sectorSize + " [bytes]"),
                                  HasSubstr("(no flags)"), ::testing::Not(HasSubstr("Requirem"))));
        EXPECT_TRUE(work("inspect").last().value("pinned", false));
        EXPECT_EQ(work("plan").exitCode, 0);
        EXPECT_FALSE(work("encrypt").last().value("changed", true));
    }
    [[nodiscard]] EngineResult work(const std::string &verb) const {
        return engine(verb, {}, {}, id_);
    }

    std::string id_ = "u-data";

    // The engine gets SIGTERM in the middle of the data; its last line.
    [[nodiscard]] nlohmann::json stopped() const {
        const std::string said = directory_.path() + "/said";
        const ProcessResult run = Process{
            .argv = {"sh", "-c",
                     R"("$@" > "$0" & engine=$!
                                until grep -q progress "$0"; do sleep 0.05; done
                                kill -TERM $engine; wait $engine)",
                     said, VOLUMECRYPT_ENGINE, "encrypt", "u-data", "--root", root_, "--config-dir",
                     configDir_, "--output", "json", "--test-kdf", "--rate", "1000000"},
            .input = {},
            .secret = {}}.run();
        EXPECT_EQ(run.exitCode, 75) << run.err;
        std::ifstream lines(said);
        std::string last;
        for (std::string line; std::getline(lines, line);) last = line;
        return nlohmann::json::parse(last);
    }
};

TEST_F(EngineEncrypt, Ext4IsMadeSmallerAndEncrypted) {
    ext4(64 * kMebibyte, 64 * kMebibyte);
    expectEncrypted("512");
}

// resize2fs was cut between two words of the superblock, whose checksum is wrong then.
TEST_F(EngineEncrypt, AnInterruptedShrinkingIsMendedFirst) {
    ext4(64 * kMebibyte, 64 * kMebibyte);
    const std::string note = root_ + "/etc/volumecrypt/state/shrink/u-data";
    std::filesystem::create_directories(std::filesystem::path(note).parent_path());
    std::filesystem::permissions(root_ + "/etc/volumecrypt/state",
                                 std::filesystem::perms::owner_all);
    const std::string uuid = imageBytes().substr(1024 + 0x68, 16);
    std::string text;
    for (const char byte : uuid) text += fmtByte(byte);
    std::ofstream(note) << text << " " << 64 * kMebibyte << "\n";
    must({"debugfs", "-w", "-R", "ssv state 2", image_});
    writeAt(1024 + 0x0c, "xx");
    std::filesystem::resize_file(image_, 60 * kMebibyte);
    expectEncrypted("512");
    EXPECT_EQ(imageBytes().size(), 64 * kMebibyte);
    EXPECT_FALSE(std::filesystem::exists(note));
    // Of another file system it says nothing.
    ext4(64 * kMebibyte, 32 * kMebibyte);
    std::ofstream(note) << text << " " << 64 * kMebibyte << "\n";
    must({"debugfs", "-w", "-R", "ssv state 2", image_});
    ASSERT_EQ(engine("forget", {"--confirm", "u-data"}).exitCode, 0);
    expectRefused("Unsupported", "is marked as one with errors", "e2fsck -f");
}

TEST_F(EngineEncrypt, LargeBlocksHaveLargeSectors) {
    ext4(64 * kMebibyte, 32 * kMebibyte, "4096");
    expectEncrypted("4096");
}

TEST_F(EngineEncrypt, SwapKeepsItsName) {
    declareType("swap");
    makeImage(64 * kMebibyte);
    must({"mkswap", "-q", "-L", "exchange", image_});
    expectEncrypted("4096");
}

TEST_F(EngineEncrypt, WhatCannotShrinkNeedsRoom) {
    declareType("vfat");
    makeImage(64 * kMebibyte);
    must({"mkfs.vfat", "-F", "32", image_, std::to_string(32 * kMebibyte / 1024 + 1024)});
    expectRefused("NoSpace", "needs 32 MiB behind the vfat file system, 1 MiB are lacking",
                  "Make the partition larger by 1 MiB or more");
    std::filesystem::resize_file(image_, 65 * kMebibyte);
    expectEncrypted("512");
}

TEST_F(EngineEncrypt, BtrfsIsShrunkByItsOwner) {
    declareType("btrfs");
    makeImage(128 * kMebibyte);
    must({"mkfs.btrfs", "-q", image_});
    expectRefused("NoSpace", "32 MiB are lacking", "smaller by 32 MiB (btrfs filesystem resize)");
    std::filesystem::resize_file(image_, 128 * kMebibyte + kEncryptRoom);
    expectEncrypted("4096");
}

TEST_F(EngineEncrypt, XfsWithRoom) {
    declareType("xfs");
    makeImage(300 * kMebibyte);
    must({"mkfs.xfs", "-q", image_});
    const EngineResult refused = engine("encrypt");
    EXPECT_EQ(refused.code(), "NoSpace") << refused.last().dump();
    std::filesystem::resize_file(image_, 300 * kMebibyte + kEncryptRoom);
    expectEncrypted("512");
}

TEST_F(EngineEncrypt, WhatIsNoPlainFileSystemIsRefused) {
    makeImage(64 * kMebibyte);
    expectRefused("NotLuks2", "is blank", "volumecryptctl unlock u-data");
    writeAt(3 * kMebibyte, "x");
    expectRefused("NotBlank", "data of unknown kind", "Save its data");
    ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                          "--pbkdf-force-iterations", "1000", "--key-file", "-", image_},
                         "secret")
                  .exitCode,
              0);
    expectRefused("NotBlank", "a LUKS2 volume already", "volumecryptctl sync u-data");
    ext4(64 * kMebibyte, 32 * kMebibyte);
    writeAt(64 * kMebibyte - 4096, std::string(4096, 'x'));
    declareType("btrfs");
    expectRefused("NotBlank", "filesystem type mismatch: ext4 != btrfs", "Declare the type");
}

TEST_F(EngineEncrypt, UnsuitableFileSystemsAreRefused) {
    ext4(64 * kMebibyte, 64 * kMebibyte);
    must({"debugfs", "-w", "-R", "ssv state 2", image_});
    expectRefused("Unsupported", "is marked as one with errors", "e2fsck -f");
    ext4(64 * kMebibyte, 64 * kMebibyte);
    must({"debugfs", "-w", "-R", "feature needs_recovery", image_});
    expectRefused("Unsupported", "its journal is to be replayed", "Mount and unmount it");
    ext4(64 * kMebibyte, 64 * kMebibyte, "4096");
    expectRefused("NoSpace", "cannot be made smaller here", "volumecryptctl wipe u-data");
    ext4(47 * kMebibyte, 10 * kMebibyte);
    expectRefused("NoSpace", "needs 48 MiB", "volumecryptctl wipe u-data");
    ext4(64 * kMebibyte + 512, 20 * kMebibyte);
    expectRefused("Unsupported", "ends within a block of 4096 bytes", "multiple of 4096");
    ext4(64 * kMebibyte, 32 * kMebibyte);
    declareType("ext4", "  blockSize: 4096\n");
    expectRefused("Unsupported", "sectors of 4096 bytes are declared", "declare 512");
    declareType("swap");
    makeImage(64 * kMebibyte);
    must({"mkswap", "-q", image_});
    writeAt(4096 - 10, "S1SUSPEND");
    expectRefused("Unsupported", "suspended", "volumecryptctl wipe s-data");
}

TEST_F(EngineEncrypt, APlainDeclarationIsRefused) {
    ext4(64 * kMebibyte, 32 * kMebibyte);
    writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                image_ + "}\nfilesystem: {type: ext4}\n");
    expectRefused("Unsupported", "is declared without encryption", "Declare its `encryption`");
}

TEST_F(EngineEncrypt, AVolumeThatWasThereIsNotTakenForGivenUp) {
    makeImage(64 * kMebibyte);
    ASSERT_EQ(engine("format").exitCode, 0);
    ext4(64 * kMebibyte, 32 * kMebibyte);
    const bool pinned = engine("inspect").last().value("pinned", false);
    if (pinned) expectRefused("ForeignVolume", "remembers", "volumecryptctl forget u-data");
}

TEST_F(EngineEncrypt, AFullFileSystemStaysAsItIs) {
    ext4(64 * kMebibyte, 64 * kMebibyte);
    const std::string content = directory_.path() + "/content";
    std::ofstream(content) << std::string(40 * kMebibyte, 'c');
    must({"debugfs", "-w", "-R", "write " + content + " content", image_});
    const EngineResult result = engine("encrypt");
    EXPECT_EQ(result.code(), "NoSpace") << result.last().dump();
    EXPECT_THAT(result.last().value("hint", ""), HasSubstr("make the partition larger"));
    must({"e2fsck", "-f", "-n", image_});
    EXPECT_EQ(imageBytes().size(), 64 * kMebibyte);
}

TEST_F(EngineEncrypt, OneKeyIsLeftToSync) {
    std::string keys;
    for (int slot = 0; slot < 32; ++slot)
        keys += "- {slot: " + std::to_string(slot) + ", static: {passphrase: key" +
                std::to_string(slot) + "}}\n";
    declareType("ext4", "", keys);
    ext4(64 * kMebibyte, 32 * kMebibyte, "4096");
    const EngineResult result = engine("encrypt");
    ASSERT_EQ(result.exitCode, 0) << result.last().dump();
    EXPECT_TRUE(opens(0, "key0") && opens(30, "key30") && opens(31, "key31"));
}

TEST_F(EngineEncrypt, StoppedItGoesOnAndNothingElseTouchesIt) {
    ext4(96 * kMebibyte, 60 * kMebibyte, "4096");
    const nlohmann::json last = stopped();
    EXPECT_EQ(last.value("code", ""), "Cancelled") << last.dump();
    EXPECT_TRUE(last.value("retry", false));
    const std::string before = imageBytes();
    EXPECT_EQ(engine("inspect").last().value("state", ""), "reencrypting");
    for (const char *verb : {"sync", "plan", "rotate"}) {
        const std::vector<std::string> more = std::string(verb) == "rotate"
                                                  ? std::vector<std::string>{"--slot", "0"}
                                                  : std::vector<std::string>{};
        const EngineResult refused = engine(verb, more);
        EXPECT_EQ(refused.code(), "Busy") << verb << refused.last().dump();
        EXPECT_THAT(refused.last().value("hint", ""), HasSubstr("volumecryptctl encrypt u-data"));
    }
    EXPECT_EQ(engine("format").code(), "NotBlank");
    EXPECT_TRUE(imageBytes() == before);
    expectEncrypted("4096");
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// A volume that has more than one signature, and devices that look blank and are not: nobody is
// told to wipe what may be the volume.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "base/files.h"
#include "support/header_editor.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGrown = 128 * kMiB;
// The last but 8 KiB, on a boundary of 4 KiB.
constexpr std::uint64_t kRaidAt = kGrown - 8192;

void put(std::string &bytes, std::size_t at, std::uint64_t number, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i, number >>= 8U)
        bytes[at + i] = static_cast<char>(number & 0xffU);
}

// Of version 1.0, which lies at the end of the device.
std::string raidSuperblock() {
    std::string block(256, '\0');
    put(block, 0, 0xa92b4efc, 4);
    put(block, 4, 1, 4);
    block.replace(16, 16, "0123456789abcdef");
    put(block, 72, 1, 4);
    put(block, 80, kRaidAt / 512, 8);
    put(block, 92, 2, 4);
    put(block, 136, kRaidAt / 512, 8);
    put(block, 144, kRaidAt / 512, 8);
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < block.size(); at += 4)
        for (std::size_t i = 0; i < 4; ++i)
            sum += std::uint64_t{static_cast<unsigned char>(block[at + i])} << (8 * i);
    put(block, 216, (sum & 0xffffffffU) + (sum >> 32U), 4);
    return block;
}

class EngineSignaturesTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 0, static: {passphrase: abc}}");
    }
    void write(std::uint64_t offset, const std::string &bytes) const {
        std::fstream file(image_, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(offset));
        file << bytes;
        ASSERT_TRUE(file.flush());
    }
    // As growpart does it.
    void growOverRaid() const {
        std::filesystem::resize_file(image_, kGrown);
        write(kRaidAt, raidSuperblock());
    }
    static std::string warnings(const EngineResult &result) {
        std::string text;
        for (const auto &line : result.lines)
            if (line.at("type") == "warning") text += line.at("message").get<std::string>() + "\n";
        return text;
    }
    void luksFormat(const std::string &type) const {
        std::vector<std::string> arguments{
            "luksFormat", "--type",     type, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
            "1000",       "--key-file", "-",  image_};
        if (type == "luks1") arguments.erase(arguments.begin() + 3, arguments.begin() + 5);
        ASSERT_EQ(cryptsetup(arguments, "abc").exitCode, 0);
    }
    // Whatever is tried, the volume is not written to, and nobody is told to give it up.
    void expectNoWayToWipe() {
        const std::string before = imageBytes();
        for (const char *const verb : {"sync", "plan", "format"}) {
            const EngineResult refused = engine(verb);
            ASSERT_FALSE(refused.code().empty()) << verb;
            EXPECT_THAT(refused.last().dump(),
                        AllOf(Not(HasSubstr("volumecryptctl wipe")), Not(HasSubstr("--force")),
                              HasSubstr("Nothing was written")))
                << verb;
            EXPECT_TRUE(imageBytes() == before) << verb;
        }
    }
};

TEST_F(EngineSignaturesTest, OursIsOpenedBesideAnOldSuperblock) {
    ASSERT_EQ(engine("format").exitCode, 0);
    growOverRaid();
    const std::string before = imageBytes();
    const auto named =
        AllOf(HasSubstr("crypto_LUKS and linux_raid_member"),
              HasSubstr("`wipefs -o 0x7ffe000 " + image_ + "`"), Not(HasSubstr("wipe u-data")));
    const EngineResult seen = engine("inspect");
    EXPECT_EQ(seen.last().at("state"), "locked") << seen.last().dump();
    EXPECT_THAT(warnings(seen), named);
    const EngineResult synced = engine("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_THAT(warnings(synced), named);
    EXPECT_TRUE(imageBytes() == before);
    // What is advised works, and ends it.
    const ProcessResult removed = Process{
        .argv = {"wipefs", "-q", "-o", "0x7ffe000", image_},
        .input = {},
        .secret = {}}.run();
    ASSERT_EQ(removed.exitCode, 0) << removed.err;
    const EngineResult after = engine("sync");
    EXPECT_EQ(after.exitCode, 0);
    EXPECT_EQ(warnings(after), "");
}

// A small file system was made over the volume: its first sectors are not all that is left of the
// header.
TEST_F(EngineSignaturesTest, RemainsOfAHeaderAreRepaired) {
    ASSERT_EQ(engine("format").exitCode, 0);
    const std::string other = directory_.write("other", std::string());
    std::filesystem::resize_file(other, 64 * kMiB);
    ASSERT_EQ((Process{.argv = {"mkfs.vfat", other}, .input = {}, .secret = {}}.run().exitCode), 0);
    const auto made = base::readFile(other, 64 * kMiB);
    ASSERT_TRUE(made.has_value());
    write(0, made->substr(0, 4096));
    const std::string before = imageBytes();
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "NotBlank");
    EXPECT_THAT(refused.last().at("hint").get<std::string>(),
                HasSubstr("try `cryptsetup repair " + image_ + "`"));
    EXPECT_TRUE(imageBytes() == before);
    ASSERT_EQ(cryptsetup({"repair", image_}).exitCode, 0);
    EXPECT_EQ(engine("sync").exitCode, 0);
}

TEST_F(EngineSignaturesTest, TheLuksOfSomebodyElseIsNotOpened) {
    luksFormat("luks2");
    growOverRaid();
    expectNoWayToWipe();
    const EngineResult refused = engine("sync");
    EXPECT_EQ(refused.code(), "NotBlank");
    EXPECT_THAT(refused.last().at("hint").get<std::string>(), HasSubstr("wipefs -o 0x7ffe000"));
}

// The record of another volume of this machine is not this volume's.
TEST_F(EngineSignaturesTest, AnotherVolumeOfOursIsNotOpened) {
    ASSERT_EQ(engine("format").exitCode, 0);
    HeaderEditor(image_).change([](nlohmann::json &header) {
        for (auto &[id, token] : header["tokens"].items())
            if (token.at("type") == "volumecrypt") token["volume"] = "u-other";
    });
    growOverRaid();
    expectNoWayToWipe();
}

TEST_F(EngineSignaturesTest, ADamagedHeaderIsNotOpened) {
    ASSERT_EQ(engine("format").exitCode, 0);
    growOverRaid();
    const HeaderEditor editor(image_);
    editor.damage(HeaderCopyOf::Primary);
    editor.damage(HeaderCopyOf::Secondary);
    expectNoWayToWipe();
}

TEST_F(EngineSignaturesTest, NoHintGivesLuksUp) {
    for (const char *const type : {"luks1", "luks2"}) {
        makeImage();
        luksFormat(type);
        const EngineResult refused = engine("format");
        EXPECT_EQ(refused.code(), "NotBlank") << type;
        EXPECT_THAT(refused.last().dump(), Not(HasSubstr("volumecryptctl wipe"))) << type;
    }
    makeImage();
    luksFormat("luks1");
    EXPECT_THAT(engine("sync").last().dump(), Not(HasSubstr("volumecryptctl wipe")));
    growOverRaid();
    expectNoWayToWipe();
    writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                image_ + "}\nfilesystem: {type: ext4}\n");
    for (const char *const type : {"luks1", "luks2"}) {
        makeImage();
        luksFormat(type);
        EXPECT_THAT(engine("plan").last().dump(), Not(HasSubstr("volumecryptctl wipe"))) << type;
    }
}

// mkfs by mistake: the volume can still be saved by its second header.
TEST_F(EngineSignaturesTest, AFileSystemOverOursIsNoReasonToWipe) {
    ASSERT_EQ(engine("format").exitCode, 0);
    write(0, std::string(4096, '\0'));
    const ProcessResult made =
        Process{.argv = {"mkfs.vfat", image_}, .input = {}, .secret = {}}.run();
    ASSERT_EQ(made.exitCode, 0) << made.err;
    std::string secondary("SKUL\xba\xbe");
    secondary += std::string("\0\2", 2);
    write(0x20000, secondary);
    expectNoWayToWipe();
    EXPECT_THAT(engine("sync").last().at("hint").get<std::string>(),
                HasSubstr("restore a header backup"));
}

class EngineCrypttabTest : public EngineSignaturesTest {
  protected:
    void expectRefused(const std::string &line) {
        directory_.write("root/etc/crypttab", "# name source key options\n\n" + line + "\n");
        const EngineResult refused = engine("format");
        EXPECT_EQ(refused.code(), "NotBlank") << line << refused.last().dump();
        EXPECT_THAT(refused.last().at("message").get<std::string>(),
                    HasSubstr("looks blank, but /etc/crypttab opens it as hidden"));
        EXPECT_EQ(imageBytes().find_first_not_of('\0'), std::string::npos);
    }
};

TEST_F(EngineCrypttabTest, TheDataOfADetachedHeaderIsNotBlank) {
    expectRefused("hidden " + image_ + " none luks,header=/etc/luks/header");
    std::filesystem::create_symlink(image_, directory_.path() + "/link");
    expectRefused("hidden\t" + directory_.path() + "/link\tnone");
    expectRefused("other /dev/null\nhidden " + image_);
}

TEST_F(EngineCrypttabTest, OtherLinesDoNotMatter) {
    directory_.write("root/etc/crypttab", "#hidden " + image_ + "\nother " + image_ +
                                              "2 none\nbroken\nthird UUID=1234-5678 none\n");
    EXPECT_EQ(engine("format").exitCode, 0);
}

TEST_F(EngineCrypttabTest, WhatCannotBeReadIsNotNothing) {
    std::filesystem::create_directories(root_ + "/etc/crypttab");
    EXPECT_EQ(engine("format").code(), "Io");
    EXPECT_EQ(imageBytes().find_first_not_of('\0'), std::string::npos);
}

TEST_F(EngineCrypttabTest, ForceIsForce) {
    directory_.write("root/etc/crypttab", "hidden " + image_ + "\n");
    EXPECT_EQ(engine("format", {"--force"}).exitCode, 0);
}

}  // namespace
}  // namespace volumecrypt::test

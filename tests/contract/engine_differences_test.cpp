// SPDX-License-Identifier: Apache-2.0
// What is declared otherwise than it is, and cannot be changed: inspect and plan say so.
#include <gmock/gmock.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char *kKey = "- {slot: 1, static: {passphrase: secret}}";

class EngineDifferences : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage(std::uint64_t{20} << 20);
        declare(kKey, "blockSize: 4096");
        ASSERT_EQ(engine("format").exitCode, 0);
    }
    // The warnings of `verb` without the volume's name.
    std::vector<std::string> warnings(const std::string &verb) const {
        const std::string begin = "volume u-data (" + image_ + "): its ";
        const std::string end = "; it keeps what it was made with";
        std::vector<std::string> found;
        for (const auto &line : engine(verb).lines) {
            if (line.at("type") != "warning") continue;
            EXPECT_EQ(line.at("code"), "InvalidConfig");
            std::string text = line.at("message");
            EXPECT_TRUE(text.starts_with(begin) && text.ends_with(end)) << text;
            found.push_back(text.substr(begin.size(), text.size() - begin.size() - end.size()));
        }
        return found;
    }
};

TEST_F(EngineDifferences, NoneIsNotTold) {
    EXPECT_THAT(warnings("inspect"), IsEmpty());
    EXPECT_THAT(warnings("plan"), IsEmpty());
    declare(kKey);
    EXPECT_THAT(warnings("plan"), IsEmpty());
}

TEST_F(EngineDifferences, CipherKeyAndSectorAreTold) {
    declare(kKey, "cipher: xchacha12,aes-adiantum-plain64\n  keySize: 256\n  blockSize: 512");
    const auto expected = ElementsAre(
        "cipher is aes-xts-plain64, the configuration says "
        "xchacha12,aes-adiantum-plain64",
        "key size is 512 bits, the configuration says 256 bits",
        "sector size is 4096 bytes, the configuration says 512 bytes");
    EXPECT_THAT(warnings("inspect"), expected);
    EXPECT_THAT(warnings("plan"), expected);
    // Who did not follow the lines reads them in the last one.
    const auto inLast = engine("inspect").lines.back().at("warnings");
    ASSERT_EQ(inLast.size(), 3U);
    EXPECT_EQ(inLast[0].at("code"), "InvalidConfig");
    EXPECT_THAT(inLast[0].at("message"), HasSubstr("its cipher is aes-xts-plain64"));
    // They are no steps: nothing would change them.
    EXPECT_EQ(engine("plan").exitCode, 0);
}

TEST_F(EngineDifferences, TheFileSystemOfAPlainVolumeIsTold) {
    makeImage();
    const Process mkfs{.argv = {"mkfs.vfat", image_}, .input = {}, .secret = {}};
    ASSERT_EQ(mkfs.run().exitCode, 0);
    writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                image_ + "}\nfilesystem: {type: ext4}\n");
    const auto expected = ElementsAre("file system is vfat, the configuration says ext4");
    EXPECT_THAT(warnings("inspect"), expected);
    EXPECT_THAT(warnings("plan"), expected);
}

class EngineTpmAlone : public VolumeFixture {
  protected:
    std::vector<std::string> warnings(const std::string &verb) const {
        std::vector<std::string> found;
        for (const auto &line : engine(verb).lines)
            if (line.at("type") == "warning" && line.at("code") == "LastKey")
                found.push_back(line.at("message"));
        return found;
    }
};

TEST_F(EngineTpmAlone, IsWarnedOf) {
    const auto expected = ElementsAre(HasSubstr("`volumecryptctl add-key --recovery u-data`"));
    makeImage(std::uint64_t{20} << 20);
    declare("- {slot: 1, tpm: {}}");
    EXPECT_THAT(warnings("plan"), expected);
    declare(kKey);
    EXPECT_THAT(warnings("plan"), IsEmpty());
    ASSERT_EQ(engine("format").exitCode, 0);
    declare("- {slot: 1, tpm: {}}");
    EXPECT_THAT(warnings("inspect"), expected);
}

TEST_F(EngineTpmAlone, IsNotAloneBesideAnotherKey) {
    makeImage(std::uint64_t{20} << 20);
    declare(kKey);
    ASSERT_EQ(engine("format").exitCode, 0);
    EXPECT_THAT(warnings("inspect"), IsEmpty());
    declare("- {slot: 1, static: {passphrase: secret}}\n    - {slot: 2, tpm: {}}");
    EXPECT_THAT(warnings("inspect"), IsEmpty());
    EXPECT_THAT(warnings("plan"), IsEmpty());
    // Slot 1 is somebody's passphrase, or a recovery key.
    declare("- {slot: 2, tpm: {}}");
    EXPECT_THAT(warnings("inspect"), IsEmpty());
}

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// Devices that are too small for what is declared: refused before the first write.
#include <gmock/gmock.h>

#include "blockdev/filesystem.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kHeader = std::uint64_t{16} << 20;

struct RoomCase {
    const char *type;
    unsigned sector;
    std::string said;  // in the message
};

class EngineRoom : public VolumeFixture, public testing::WithParamInterface<RoomCase> {
  protected:
    void SetUp() override {
        writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                    image_ + "}\nfilesystem: {type: " + GetParam().type +
                    "}\nencryption:\n  blockSize: " + std::to_string(GetParam().sector) +
                    "\n  keys: [{slot: 1, static: {passphrase: secret}}]\n");
        const auto type = *model::filesystemFromName(GetParam().type);
        const std::uint64_t content = blockdev::smallestFilesystem(type, GetParam().sector);
        smallest_ = kHeader + (content == 0 ? GetParam().sector : content);
    }
    std::uint64_t smallest_ = 0;
};

TEST_P(EngineRoom, TheSmallestThatIsEnoughIsFormatted) {
    makeImage(smallest_);
    EXPECT_EQ(engine("plan").exitCode, 2);
    const EngineResult done = engine("format");
    EXPECT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_TRUE(opens(1, "secret"));
}

TEST_P(EngineRoom, OneSectorLessIsRefusedAndLeftAsItIs) {
    makeImage(smallest_ - GetParam().sector);
    const std::string before = imageBytes();
    for (const auto &[verb, more] : {std::pair<const char *, std::vector<std::string>>{"plan", {}},
                                     {"format", {}},
                                     {"format", {"--force"}}}) {
        const EngineResult refused = engine(verb, more);
        EXPECT_EQ(refused.exitCode, 1) << verb;
        EXPECT_EQ(refused.code(), "NoSpace") << verb;
        EXPECT_THAT(refused.last().value("message", ""), HasSubstr("is too small: it has "));
        EXPECT_THAT(refused.last().value("message", ""), HasSubstr(GetParam().said));
        EXPECT_THAT(refused.last().value("hint", ""), HasSubstr("Nothing was written. Make it"));
        EXPECT_EQ(refused.last().value("retry", true), false);
    }
    EXPECT_TRUE(imageBytes() == before);
    EXPECT_EQ(engine("inspect").last().value("state", ""), "blank");
}

INSTANTIATE_TEST_SUITE_P(
    Types, EngineRoom,
    testing::Values(RoomCase{"none", 512, "the LUKS2 header takes 16 MiB"},
                    RoomCase{"xfs", 512, "takes 16 MiB, xfs takes at least 16 MiB"},
                    RoomCase{"xfs", 4096, "xfs takes at least 16 MiB"},
                    RoomCase{"ext4", 512, "ext4 takes at least 106496 bytes"},
                    RoomCase{"ext4", 4096, "ext4 takes at least 229376 bytes"},
                    RoomCase{"btrfs", 4096, "btrfs takes at least 109 MiB"},
                    RoomCase{"vfat", 512, "vfat takes at least 51200 bytes"},
                    RoomCase{"vfat", 4096, "vfat takes at least 65536 bytes"}),
    [](const auto &row) { return row.param.type + std::to_string(row.param.sector); });

}  // namespace
}  // namespace volumecrypt::test

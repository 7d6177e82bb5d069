// SPDX-License-Identifier: Apache-2.0
// Making a header in memory and bringing it to a device, with every interruption in between.
#include <filesystem>

#include <sys/stat.h>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "luks/header_build.h"
#include "luks/header_copy.h"
#include "luks/header_validation.h"
#include "luks/header_write.h"
#include "support/luks_image.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::FormatParameters;
using luks::KdfCost;
using luks::WritePoint;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::SizeIs;

luks::NewHeader newHeader(const std::string &passphrase = "key") {
    luks::NewHeader header = *luks::buildHeader({.deviceSize = kImageSize});
    const auto added =
        header.store->addSlot(0, header.volumeKey, secret(passphrase), KdfCost::Minimal);
    if (!added) std::abort();
    return header;
}

base::UniqueFd openImage(const LuksImage &image) {
    return *base::openFile(image.path(), O_RDWR);
}

TEST(BuildHeader, TakesTheParameters) {
    const luks::NewHeader header = *luks::buildHeader({.cipher = "aes-xts-plain64",
                                                       .keyBits = 256,
                                                       .sectorSize = 4096,
                                                       .deviceSize = kImageSize});
    EXPECT_THAT(header.volumeKey, SizeIs(32));
    const auto view = header.store->view();
    ASSERT_THAT(view, IsOk());
    EXPECT_EQ(view->segments.at(0).sectorSize, 4096U);
    EXPECT_THAT(luks::validateHeader(*view), IsOk());
}

TEST(BuildHeader, EveryHeaderHasItsOwnKeyAndUuid) {
    const luks::NewHeader one = *luks::buildHeader({.deviceSize = kImageSize});
    const luks::NewHeader two = *luks::buildHeader({.deviceSize = kImageSize});
    EXPECT_THAT(one.volumeKey, SizeIs(64));
    EXPECT_FALSE(one.volumeKey == two.volumeKey);
    EXPECT_NE(one.store->view()->uuid, two.store->view()->uuid);
}

TEST(BuildHeader, LeavesUnusedAreasZero) {
    const luks::NewHeader header = newHeader();
    std::string areas(16777216 - 262144, '\0');
    ASSERT_THAT(
        base::readExactly(header.memory.get(), std::as_writable_bytes(std::span(areas)), 262144),
        IsOk());
    EXPECT_EQ(areas.find_first_not_of('\0', 258048), std::string::npos);
    EXPECT_NE(areas.find_first_not_of('\0'), std::string::npos);
}

TEST(BuildHeader, RefusesWhatItCannotMake) {
    const auto build = [](FormatParameters parameters) { return luks::buildHeader(parameters); };
    EXPECT_THAT(build({.cipher = "serpent-xts-plain64", .deviceSize = kImageSize}),
                FailsWith(ErrorCode::Unsupported, HasSubstr("serpent-xts-plain64")));
    EXPECT_THAT(build({.cipher = "null", .deviceSize = kImageSize}),
                FailsWith(ErrorCode::Unsupported));
    EXPECT_THAT(build({.keyBits = 128, .deviceSize = kImageSize}),
                FailsWith(ErrorCode::Unsupported, HasSubstr("128 bits")));
    EXPECT_THAT(build({.cipher = "xchacha12,aes-adiantum-plain64", .deviceSize = kImageSize}),
                FailsWith(ErrorCode::Unsupported, HasSubstr("512 bits")));
    EXPECT_THAT(build({.sectorSize = 520, .deviceSize = kImageSize}),
                FailsWith(ErrorCode::Unsupported));
    EXPECT_THAT(build({.sectorSize = 4096, .deviceSize = kImageSize + 512}),
                FailsWith(ErrorCode::Unsupported));
    EXPECT_THAT(build({.deviceSize = 0}), FailsWith(ErrorCode::NoSpace));
    EXPECT_THAT(build({.deviceSize = 16777216}), FailsWith(ErrorCode::NoSpace));
    EXPECT_THAT(build({.sectorSize = 4096, .deviceSize = 16777216 + 512}),
                FailsWith(ErrorCode::NoSpace));
    EXPECT_THAT(build({.deviceSize = 16777216 + 512}), IsOk());
}

TEST(WriteHeader, BringsAllOfItToTheDevice) {
    const LuksImage image;
    const luks::NewHeader header = newHeader();
    ASSERT_THAT(luks::writeHeader(openImage(image).get(), model::VolumeId::state(), header),
                IsOk());
    const auto copy = luks::copyHeader(image.path());
    ASSERT_THAT(copy, IsOk());
    EXPECT_FALSE(copy->needsRepair);
    EXPECT_TRUE(*luks::openSlot(*copy, 0, secret("key")) == header.volumeKey);
    EXPECT_EQ(*luks::slotDigest(*copy, 0), *header.store->slotDigest(0));
    EXPECT_EQ(luks::readFormattingMarker(openImage(image).get())->has_value(), false);
    EXPECT_EQ(std::filesystem::file_size(image.path()), kImageSize);
}

TEST(WriteHeader, LeavesTheDataAlone) {
    const LuksImage image;
    const std::string data(4096, 'd');
    overwrite(image.path(), 16777216, data);
    ASSERT_THAT(luks::writeHeader(openImage(image).get(), model::VolumeId::state(), newHeader()),
                IsOk());
    EXPECT_TRUE(image.bytes().substr(16777216, 4096) == data);
}

TEST(WriteHeader, ReplacesEverythingThatWasThere) {
    const LuksImage image;
    overwrite(image.path(), 0, std::string(16777216, 'j'));
    const luks::NewHeader header = newHeader();
    ASSERT_THAT(luks::writeHeader(openImage(image).get(), model::VolumeId::state(), header),
                IsOk());
    std::string wanted(16777216, '\0');
    ASSERT_THAT(
        base::readExactly(header.memory.get(), std::as_writable_bytes(std::span(wanted)), 0),
        IsOk());
    EXPECT_TRUE(image.bytes().substr(0, 16777216) == wanted);
}

TEST(WriteHeader, WritesOnlyWhatDiffers) {
    const LuksImage image;
    ASSERT_THAT(luks::writeHeader(openImage(image).get(), model::VolumeId::state(), newHeader()),
                IsOk());
    struct stat info {};
    ASSERT_EQ(::stat(image.path().c_str(), &info), 0);
    // Two copies of the metadata and one key slot area; the rest of the 16 MiB stays a hole.
    EXPECT_LT(static_cast<std::uint64_t>(info.st_blocks) * 512, std::uint64_t{1} << 20);
}

class InterruptedWrite : public ::testing::TestWithParam<WritePoint> {};

TEST_P(InterruptedWrite, NamesItsVolumeAndIsStartedOver) {
    const LuksImage image;
    const base::UniqueFd device = openImage(image);
    const model::VolumeId id = *model::VolumeId::parse("u-data");
    ASSERT_THAT(luks::writeHeaderUpTo(GetParam(), device.get(), id, newHeader("old")), IsOk());

    EXPECT_THAT(*luks::readFormattingMarker(device.get()), Optional(std::string("u-data")));
    EXPECT_THAT(luks::copyHeader(image.path()),
                FailsWith(ErrorCode::NotLuks2, HasSubstr("u-data was interrupted")));
    EXPECT_NE(image.cryptsetup({"luksDump", "--header"}).exitCode, 0);

    const luks::NewHeader again = newHeader("new");
    ASSERT_THAT(luks::writeHeader(device.get(), id, again), IsOk());
    EXPECT_EQ(luks::readFormattingMarker(device.get())->has_value(), false);
    const auto copy = luks::copyHeader(image.path());
    ASSERT_THAT(copy, IsOk());
    EXPECT_FALSE(copy->needsRepair);
    EXPECT_EQ(copy->view.uuid, again.store->view()->uuid);
    EXPECT_TRUE(image.opensByCryptsetup(0, "new"));
    EXPECT_FALSE(image.opensByCryptsetup(0, "old"));
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, InterruptedWrite,
                         ::testing::Values(WritePoint::Marker, WritePoint::SlotsAndSecondary,
                                           WritePoint::PrimaryJson));

// The last write is one block, but a disk may write only some of its sectors.
TEST(WriteHeader, ATornLastWriteLeavesMarkerOrHeader) {
    const LuksImage image;
    const base::UniqueFd device = openImage(image);
    const luks::NewHeader header = newHeader();
    ASSERT_THAT(luks::writeHeaderUpTo(WritePoint::PrimaryJson, device.get(),
                                      model::VolumeId::state(), header),
                IsOk());
    const std::string marker = image.bytes().substr(0, 4096);
    ASSERT_THAT(luks::writeHeader(device.get(), model::VolumeId::state(), header), IsOk());
    const std::string binary = image.bytes().substr(0, 4096);
    for (unsigned written = 0; written < (1U << 8U); ++written) {
        std::string torn = marker;
        for (unsigned sector = 0; sector < 8; ++sector)
            if ((written >> sector & 1U) != 0)
                torn.replace(sector * 512, 512, binary, sector * 512, 512);
        overwrite(image.path(), 0, torn);
        const auto found = luks::readFormattingMarker(device.get());
        ASSERT_THAT(found, IsOk());
        if (found->has_value()) continue;
        ASSERT_THAT(luks::copyHeader(image.path()), IsOk()) << written;
    }
}

TEST(FormattingMarker, IsRefusedWhenAnyByteIsWrong) {
    const LuksImage image;
    const base::UniqueFd device = openImage(image);
    ASSERT_THAT(luks::writeHeaderUpTo(WritePoint::Marker, device.get(), model::VolumeId::state(),
                                      newHeader()),
                IsOk());
    ASSERT_THAT(*luks::readFormattingMarker(device.get()), Optional(std::string("STATE")));
    const std::string marker = image.bytes().substr(0, 4096);
    for (const std::size_t at : {0U, 31U, 32U, 64U, 70U, 300U, 480U, 511U, 512U, 4095U}) {
        std::string changed = marker;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        overwrite(image.path(), 0, changed);
        EXPECT_EQ(luks::readFormattingMarker(device.get())->has_value(), false) << at;
    }
}

TEST(FormattingMarker, IsAbsentOnTinyDevices) {
    const LuksImage image(512);
    EXPECT_EQ(luks::readFormattingMarker(openImage(image).get())->has_value(), false);
}

}  // namespace
}  // namespace volumecrypt::test

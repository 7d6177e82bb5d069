// SPDX-License-Identifier: Apache-2.0
// The distribution's cryptsetup takes what we make, and we take what it makes.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "luks/header_build.h"
#include "luks/header_copy.h"
#include "luks/header_store.h"
#include "luks/header_write.h"
#include "support/luks_image.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::KdfCost;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Random bytes with everything in them that text handling might trip over.
const std::string kBinaryKey("\0key\n\r\xff\x80 \t", 11);

void writeTo(const LuksImage &image, const luks::NewHeader &header) {
    const base::UniqueFd device = *base::openFile(image.path(), O_RDWR);
    ASSERT_THAT(luks::writeHeader(device.get(), model::VolumeId::state(), header), IsOk());
}

TEST(OurHeaders, AreAcceptedByCryptsetup) {
    for (const unsigned sectorSize : {512U, 4096U}) {
        const LuksImage image;
        const luks::NewHeader header =
            *luks::buildHeader({.sectorSize = sectorSize, .deviceSize = kImageSize});
        luks::HeaderStore &store = *header.store;
        ASSERT_THAT(store.addSlot(0, header.volumeKey, secret("zero"), KdfCost::Minimal), IsOk());
        ASSERT_THAT(store.addSlot(31, header.volumeKey, secret(kBinaryKey), KdfCost::Minimal),
                    IsOk());
        ASSERT_THAT(store.setToken(31, R"({"type":"volumecrypt","keyslots":[]})"), IsOk());
        writeTo(image, header);

        EXPECT_TRUE(image.opensByCryptsetup(0, "zero"));
        EXPECT_TRUE(image.opensByCryptsetup(31, kBinaryKey));
        EXPECT_FALSE(image.opensByCryptsetup(31, "zero"));
        EXPECT_FALSE(image.opensByCryptsetup(5, "zero"));
        const CommandOutcome dump = image.cryptsetup({"luksDump"});
        EXPECT_EQ(dump.exitCode, 0);
        EXPECT_THAT(dump.output, HasSubstr("sector: " + std::to_string(sectorSize) + " [bytes]"));
        EXPECT_THAT(dump.output, HasSubstr("offset: 16777216 [bytes]"));
        EXPECT_THAT(dump.output, HasSubstr("Metadata area: \t131072 [bytes]"));
        EXPECT_THAT(dump.output, HasSubstr("31: volumecrypt"));
    }
}

TEST(OurHeaders, CryptsetupCanChangeThem) {
    const LuksImage image;
    const luks::NewHeader header = *luks::buildHeader({.deviceSize = kImageSize});
    ASSERT_THAT(header.store->addSlot(0, header.volumeKey, secret("zero"), KdfCost::Minimal),
                IsOk());
    writeTo(image, header);
    const CommandOutcome killed =
        image.cryptsetup({"luksKillSlot", "--key-file", "-", image.path(), "9"}, "zero");
    EXPECT_NE(killed.exitCode, 0) << "slot 9 is empty";
    const CommandOutcome token = image.cryptsetup({"token", "import", "--token-id", "3"},
                                                  R"({"type":"clevis","keyslots":["0"],"jwe":{}})");
    EXPECT_EQ(token.exitCode, 0) << token.output;
    const auto store = luks::openHeaderStore(image.path());
    EXPECT_THAT(store->view()->tokens.at(3).keyslots, ElementsAre(0U));
    // And back again, after another tool's write.
    ASSERT_THAT(store->addSlot(1, header.volumeKey, secret("one"), KdfCost::Minimal), IsOk());
    EXPECT_TRUE(image.opensByCryptsetup(1, "one"));
    EXPECT_EQ(store->view()->tokens.at(3).type, "clevis");
}

class ForeignHeader : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(ForeignHeader, IsReadOpenedAndChanged) {
    const LuksImage image;
    image.formatByCryptsetup(kBinaryKey, GetParam());
    const std::string before = image.bytes();
    const auto copy = luks::copyHeader(image.path());
    ASSERT_THAT(copy, IsOk());
    EXPECT_FALSE(copy->needsRepair);
    const auto key = luks::openSlot(*copy, 0, secret(kBinaryKey));
    ASSERT_THAT(key, IsOk());
    EXPECT_EQ(key->size() * 8, copy->view.volumeKeyBits);
    EXPECT_THAT(luks::openSlot(*copy, 0, secret("wrong")), FailsWith(ErrorCode::KeyRejected));
    EXPECT_TRUE(image.bytes() == before);

    const auto store = luks::openHeaderStore(image.path());
    EXPECT_EQ(*store->slotDigest(0), *luks::slotDigest(*copy, 0));
    ASSERT_THAT(store->addSlot(3, *key, secret("three"), KdfCost::Minimal), IsOk());
    EXPECT_TRUE(image.opensByCryptsetup(3, "three"));
    EXPECT_TRUE(image.opensByCryptsetup(0, kBinaryKey));
    ASSERT_THAT(store->destroySlot(0), IsOk());
    EXPECT_FALSE(image.opensByCryptsetup(0, kBinaryKey));
    EXPECT_TRUE(*store->openSlot(3, secret("three")) == *key);
}

INSTANTIATE_TEST_SUITE_P(
    ByCryptsetup, ForeignHeader,
    ::testing::Values(std::vector<std::string>{}, std::vector<std::string>{"--key-size", "256"},
                      std::vector<std::string>{"--sector-size", "512"},
                      std::vector<std::string>{"--sector-size", "4096"},
                      std::vector<std::string>{"--luks2-metadata-size", "16k"},
                      std::vector<std::string>{"--luks2-metadata-size", "4m"},
                      std::vector<std::string>{"--label", "a\xff label", "--subsystem", "sub"},
                      std::vector<std::string>{"--offset", "36864"},
                      std::vector<std::string>{"--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                                               "1000", "--hash", "sha512"},
                      std::vector<std::string>{"--pbkdf", "argon2i", "--pbkdf-force-iterations",
                                               "4", "--pbkdf-memory", "32"}));

TEST(ForeignHeaders, KdfAndUnboundSlotsAreSeen) {
    const LuksImage image;
    image.formatByCryptsetup(
        "zero", {"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1234", "--hash", "sha512"});
    // stdin holds the new passphrase alone: there is nothing to unlock for an unbound key.
    const CommandOutcome unbound = image.cryptsetup(
        {"luksAddKey", "--unbound", "--key-size", "256", "--key-slot", "4", "--pbkdf", "pbkdf2",
         "--pbkdf-force-iterations", "1000", "--key-file", "-"},
        "four");
    ASSERT_EQ(unbound.exitCode, 0) << unbound.output;
    const auto copy = luks::copyHeader(image.path());
    ASSERT_THAT(copy, IsOk());
    ASSERT_THAT(copy->view.slots, SizeIs(2));
    EXPECT_EQ(copy->view.slots.at(0).kdf.type, "pbkdf2");
    EXPECT_EQ(copy->view.slots.at(0).kdf.iterations, 1234U);
    EXPECT_EQ(copy->view.slots.at(0).kdf.hash, "sha512");
    EXPECT_EQ(copy->view.slots.at(0).kdf.memoryKiB, 0U);
    EXPECT_FALSE(copy->view.slots.at(0).unbound);
    EXPECT_TRUE(copy->view.slots.at(4).unbound);
    EXPECT_EQ(copy->view.slots.at(4).keyBits, 256U);
    EXPECT_EQ(copy->view.volumeKeyBits, 512U);
    EXPECT_THAT(luks::openSlot(*copy, 4, secret("four")),
                FailsWith(ErrorCode::KeyRejected, HasSubstr("another key")));
}

TEST(ForeignHeaders, Luks1IsNamed) {
    const LuksImage image;
    const CommandOutcome made = image.cryptsetup(
        {"luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--key-file", "-"},
        "x");
    ASSERT_EQ(made.exitCode, 0) << made.output;
    EXPECT_THAT(luks::copyHeader(image.path()), FailsWith(ErrorCode::NotLuks2, HasSubstr("LUKS1")));
}

TEST(ForeignHeaders, UnfinishedReencryptionIsNamed) {
    const LuksImage image(std::uint64_t{40} << 20);
    image.formatByCryptsetup("x");
    const CommandOutcome begun =
        image.cryptsetup({"reencrypt", "--init-only", "--key-file", "-", "--pbkdf", "pbkdf2",
                          "--pbkdf-force-iterations", "1000"},
                         "x");
    ASSERT_EQ(begun.exitCode, 0) << begun.output;
    EXPECT_THAT(luks::copyHeader(image.path()),
                FailsWith(ErrorCode::HeaderRefused, HasSubstr("reencryption")));
    EXPECT_THAT(luks::openHeaderStore(image.path())->destroySlot(0),
                FailsWith(ErrorCode::HeaderRefused));
    EXPECT_THAT(luks::openHeaderStore(image.path())->view(), IsOk());
}

}  // namespace
}  // namespace volumecrypt::test

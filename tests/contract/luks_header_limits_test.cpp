// SPDX-License-Identifier: Apache-2.0
// luks::HeaderStore at its limits: no room, absurd KDFs, no write where nothing changes, lost
// power.
#include <gtest/gtest.h>

#include "support/header_volumes.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::KdfCost;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Small headers exist where the layout can be chosen.
template <typename Volume>
class SmallHeaderContract : public ::testing::Test {
  protected:
    Volume volume_ = Volume::small();
};
using SmallVolumes = ::testing::Types<FakeVolume, FileVolume>;
TYPED_TEST_SUITE(SmallHeaderContract, SmallVolumes);

TYPED_TEST(SmallHeaderContract, NoRoomForAnotherSlotArea) {
    auto &store = this->volume_.store();
    const auto &key = this->volume_.volumeKey();
    for (unsigned slot = 0; slot < 3; ++slot)
        ASSERT_THAT(store.addSlot(slot, key, secret("x"), KdfCost::Minimal), IsOk());
    EXPECT_THAT(store.addSlot(3, key, secret("x"), KdfCost::Minimal),
                FailsWith(ErrorCode::NoSpace, HasSubstr("key slot 3")));
    ASSERT_THAT(store.destroySlot(1), IsOk());
    EXPECT_THAT(store.addSlot(3, key, secret("x"), KdfCost::Minimal), IsOk());
}

// Fills the metadata to the last 64 bytes with a token 0.
std::string fillMetadata(luks::HeaderStore &store) {
    for (std::size_t size = 16384; size > 0; size -= 64) {
        const nlohmann::json token{
            {"type", "t"}, {"keyslots", nlohmann::json::array()}, {"x", std::string(size, 'x')}};
        const auto done = store.setToken(0, token.dump());
        if (done) return token.dump();
        EXPECT_THAT(done, FailsWith(ErrorCode::NoSpace));
    }
    return {};
}

TYPED_TEST(SmallHeaderContract, NoRoomForMetadata) {
    auto &store = this->volume_.store();
    const auto &key = this->volume_.volumeKey();
    ASSERT_THAT(store.addSlot(0, key, secret("x"), KdfCost::Minimal), IsOk());
    const std::string token = fillMetadata(store);
    EXPECT_THAT(store.setToken(1, token), FailsWith(ErrorCode::NoSpace));
    EXPECT_THAT(store.addSlot(1, key, secret("x"), KdfCost::Minimal),
                FailsWith(ErrorCode::NoSpace));
    EXPECT_EQ(store.view()->tokens.at(0).json, token);
    EXPECT_THAT(store.view()->tokens, SizeIs(1));
    EXPECT_THAT(store.view()->slots, SizeIs(1));
    ASSERT_THAT(store.removeToken(0), IsOk());
    EXPECT_THAT(store.addSlot(1, key, secret("x"), KdfCost::Minimal), IsOk());
}

TYPED_TEST(SmallHeaderContract, AbsurdKdfIsNotRun) {
    auto &store = this->volume_.store();
    ASSERT_THAT(store.addSlot(0, this->volume_.volumeKey(), secret("x"), KdfCost::Minimal), IsOk());
    this->volume_.changeKdfMemory(0, 0x7fffffff);
    EXPECT_THAT(store.openSlot(0, secret("x")),
                FailsWith(ErrorCode::HeaderRefused, HasSubstr("2147483647 KiB")));
}

TEST(FileHeaderStore, ReadingWritesNothing) {
    FileVolume volume;
    auto &store = volume.store();
    ASSERT_THAT(store.addSlot(0, volume.volumeKey(), secret("x"), KdfCost::Minimal), IsOk());
    ASSERT_THAT(store.setToken(5, R"({"type":"t","keyslots":[]})"), IsOk());
    const std::string before = volume.bytes();
    EXPECT_THAT(store.view(), IsOk());
    EXPECT_THAT(store.openSlot(0, secret("x")), IsOk());
    EXPECT_THAT(store.openSlot(0, secret("y")), Not(IsOk()));
    EXPECT_THAT(store.slotDigest(0), IsOk());
    EXPECT_THAT(store.destroySlot(9), IsOk());
    EXPECT_THAT(store.removeToken(9), IsOk());
    EXPECT_THAT(store.setToken(5, R"({"keyslots": [], "type": "t"})"), IsOk());
    EXPECT_TRUE(volume.bytes() == before);
}

TEST(FileHeaderStore, RefusedChangesWriteNothing) {
    FileVolume volume = FileVolume::small();
    auto &store = volume.store();
    const auto &key = volume.volumeKey();
    for (unsigned slot = 0; slot < 3; ++slot)
        ASSERT_THAT(store.addSlot(slot, key, secret("x"), KdfCost::Minimal), IsOk());
    const std::string before = volume.bytes();
    EXPECT_THAT(store.addSlot(3, key, secret("x"), KdfCost::Minimal), Not(IsOk()));
    EXPECT_THAT(store.addSlot(0, key, secret("x"), KdfCost::Minimal), Not(IsOk()));
    EXPECT_THAT(store.setToken(0, "{}"), Not(IsOk()));
    const nlohmann::json large{
        {"type", "t"}, {"keyslots", nlohmann::json::array()}, {"x", std::string(20000, 'x')}};
    EXPECT_THAT(store.setToken(0, large.dump()), FailsWith(ErrorCode::NoSpace));
    EXPECT_TRUE(volume.bytes() == before);
}

TEST(FileHeaderStore, AFullMetadataAreaIsLeftAsItWas) {
    FileVolume volume = FileVolume::small();
    auto &store = volume.store();
    ASSERT_THAT(store.addSlot(0, volume.volumeKey(), secret("x"), KdfCost::Minimal), IsOk());
    fillMetadata(store);
    const std::string before = volume.bytes();
    EXPECT_THAT(store.addSlot(1, volume.volumeKey(), secret("y"), KdfCost::Minimal),
                FailsWith(ErrorCode::NoSpace));
    EXPECT_TRUE(volume.bytes() == before);
}

TEST(FileHeaderStore, MissingFileIsNotFound) {
    const auto store = luks::openHeaderStore("/nonexistent/volume");
    EXPECT_THAT(store->view(), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(store->destroySlot(0), FailsWith(ErrorCode::NotFound));
}

TEST(FakeHeaderStore, FailsAndLosesPowerWhereTold) {
    const auto key = base::SecretBuffer::copyOf(std::string(64, 'k'));
    FakeHeaderStore store(key);
    ASSERT_THAT(store.addSlot(0, key, secret("x"), KdfCost::Minimal), IsOk());
    EXPECT_EQ(store.writes(), 2U);

    base::Error broken;
    broken.code = ErrorCode::Io;
    store.failAt(2, broken);
    EXPECT_THAT(store.addSlot(1, key, secret("y"), KdfCost::Minimal), FailsWith(ErrorCode::Io));
    EXPECT_THAT(store.view()->slots, SizeIs(1));

    store.killAt(1);
    EXPECT_THROW((void)store.setToken(0, R"({"type":"t","keyslots":[]})"), Killed);
    EXPECT_THAT(store.view()->tokens, SizeIs(0));

    store.killAt(2);
    EXPECT_THROW((void)store.destroySlot(0), Killed);
    EXPECT_THAT(store.view()->slots, SizeIs(1)) << "the area went first";
    EXPECT_THAT(store.openSlot(0, secret("x")), FailsWith(ErrorCode::KeyRejected));
    EXPECT_THAT(store.destroySlot(0), IsOk());
    EXPECT_THAT(store.view()->slots, SizeIs(0));
}

}  // namespace
}  // namespace volumecrypt::test

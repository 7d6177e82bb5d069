// SPDX-License-Identifier: Apache-2.0
// The contract of luks::HeaderStore, held against the fake, a header in memory, and a file.
#include <gtest/gtest.h>

#include "support/header_volumes.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::KdfCost;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

template <typename Volume>
class HeaderStoreContract : public ::testing::Test {
  protected:
    luks::HeaderStore &store() { return volume_.store(); }
    base::Status add(unsigned slot, const std::string &passphrase) {
        return store().addSlot(slot, volume_.volumeKey(), secret(passphrase), KdfCost::Minimal);
    }
    bool opens(unsigned slot, const std::string &passphrase) {
        auto key = store().openSlot(slot, secret(passphrase));
        return key && *key == volume_.volumeKey();
    }

    Volume volume_;
};

using AllVolumes = ::testing::Types<FakeVolume, MemoryVolume, FileVolume>;
TYPED_TEST_SUITE(HeaderStoreContract, AllVolumes);

TYPED_TEST(HeaderStoreContract, NewHeaderIsEmpty) {
    const auto view = this->store().view();
    ASSERT_THAT(view, IsOk());
    EXPECT_EQ(view->version, 2U);
    EXPECT_THAT(view->uuid, SizeIs(36));
    EXPECT_EQ(view->metadataSize, 131072U);
    EXPECT_EQ(view->keyslotsSize, 16777216U - 2 * 131072U);
    EXPECT_THAT(view->slots, SizeIs(0));
    EXPECT_THAT(view->tokens, SizeIs(0));
    ASSERT_THAT(view->segments, SizeIs(1));
    EXPECT_EQ(view->segments[0].type, "crypt");
    EXPECT_EQ(view->segments[0].cipher, "aes-xts-plain64");
    EXPECT_EQ(view->segments[0].offset, 16777216U);
    EXPECT_EQ(view->segments[0].sectorSize, 512U);
    EXPECT_THAT(view->flags, SizeIs(0));
    EXPECT_THAT(view->requirements, SizeIs(0));
}

TYPED_TEST(HeaderStoreContract, AddedSlotIsShownAndOpens) {
    ASSERT_THAT(this->add(7, "seven"), IsOk());
    const auto view = this->store().view();
    ASSERT_THAT(view, IsOk());
    ASSERT_TRUE(view->slots.contains(7));
    const model::SlotView &slot = view->slots.at(7);
    EXPECT_EQ(slot.number, 7U);
    EXPECT_EQ(slot.type, "luks2");
    EXPECT_EQ(slot.kdf.type, "argon2id");
    EXPECT_EQ(slot.kdf.iterations, 4U);
    EXPECT_EQ(slot.kdf.memoryKiB, 32U);
    EXPECT_EQ(slot.kdf.lanes, 1U);
    EXPECT_EQ(slot.areaCipher, "aes-xts-plain64");
    EXPECT_EQ(slot.areaKeyBits, 512U);
    EXPECT_EQ(slot.keyBits, 512U);
    EXPECT_GE(slot.areaOffset, 2 * 131072U);
    EXPECT_EQ(slot.areaSize, 258048U);
    EXPECT_FALSE(slot.unbound);
    EXPECT_EQ(nlohmann::json::parse(slot.json).dump(), slot.json) << "not canonical";
    EXPECT_EQ(view->volumeKeyBits, 512U);
    EXPECT_TRUE(this->opens(7, "seven"));
}

TYPED_TEST(HeaderStoreContract, PassphrasesAreBytes) {
    const std::string zeros("a\0b\n\xff", 5);
    ASSERT_THAT(this->add(0, zeros), IsOk());
    EXPECT_TRUE(this->opens(0, zeros));
    EXPECT_FALSE(this->opens(0, "a"));
    EXPECT_FALSE(this->opens(0, std::string("a\0b", 3)));
    EXPECT_FALSE(this->opens(0, zeros + "\n"));
}

TYPED_TEST(HeaderStoreContract, WrongPassphraseIsRejected) {
    ASSERT_THAT(this->add(0, "right"), IsOk());
    ASSERT_THAT(this->add(1, "other"), IsOk());
    const auto result = this->store().openSlot(0, secret("other"));
    ASSERT_THAT(result, FailsWith(ErrorCode::KeyRejected, HasSubstr("key slot 0")));
    EXPECT_EQ(result.error().slot, 0U);
}

TYPED_TEST(HeaderStoreContract, EmptyPassphraseNeverOpens) {
    ASSERT_THAT(this->add(0, "right"), IsOk());
    EXPECT_THAT(this->store().openSlot(0, {}), FailsWith(ErrorCode::KeyRejected));
    EXPECT_THAT(this->add(1, ""), FailsWith(ErrorCode::Internal));
}

TYPED_TEST(HeaderStoreContract, EmptySlotIsNotFound) {
    EXPECT_THAT(this->store().openSlot(3, secret("x")), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(this->store().openSlot(99, secret("x")), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(this->store().slotDigest(3), FailsWith(ErrorCode::NotFound));
}

TYPED_TEST(HeaderStoreContract, UsedSlotIsNotOverwritten) {
    ASSERT_THAT(this->add(4, "first"), IsOk());
    EXPECT_THAT(this->add(4, "second"), FailsWith(ErrorCode::SlotInUse, HasSubstr("key slot 4")));
    EXPECT_TRUE(this->opens(4, "first"));
}

TYPED_TEST(HeaderStoreContract, AnotherVolumeKeyIsRejected) {
    ASSERT_THAT(this->add(0, "right"), IsOk());
    const auto wrong = base::SecretBuffer::copyOf(std::string(64, 'w'));
    EXPECT_THAT(this->store().addSlot(1, wrong, secret("x"), KdfCost::Minimal),
                FailsWith(ErrorCode::KeyRejected));
    EXPECT_THAT(this->store().view()->slots, SizeIs(1));
}

TYPED_TEST(HeaderStoreContract, ThereAreThirtyTwoSlotsWithATokenEach) {
    for (unsigned slot = 0; slot < 32; ++slot) {
        ASSERT_THAT(this->add(slot, "key " + std::to_string(slot)), IsOk());
        const nlohmann::json token{{"type", "test"},
                                   {"keyslots", nlohmann::json::array()},
                                   {"blob", std::string(2000, 'b')}};
        ASSERT_THAT(this->store().setToken(slot, token.dump()), IsOk());
    }
    EXPECT_THAT(this->add(32, "x"), FailsWith(ErrorCode::Internal));
    EXPECT_THAT(this->store().setToken(32, R"({"type":"t","keyslots":[]})"),
                FailsWith(ErrorCode::Internal));
    EXPECT_THAT(this->store().view()->slots, SizeIs(32));
    EXPECT_THAT(this->store().view()->tokens, SizeIs(32));
    for (const unsigned slot : {0U, 15U, 31U})
        EXPECT_TRUE(this->opens(slot, "key " + std::to_string(slot)));
}

TYPED_TEST(HeaderStoreContract, DestroyedSlotIsGone) {
    ASSERT_THAT(this->add(0, "zero"), IsOk());
    ASSERT_THAT(this->add(1, "one"), IsOk());
    ASSERT_THAT(this->store().destroySlot(0), IsOk());
    EXPECT_THAT(this->store().openSlot(0, secret("zero")), FailsWith(ErrorCode::NotFound));
    EXPECT_TRUE(this->opens(1, "one"));
    ASSERT_THAT(this->store().destroySlot(0), IsOk()) << "an empty slot is success";
    ASSERT_THAT(this->store().destroySlot(1), IsOk()) << "the last one is the caller's matter";
    EXPECT_THAT(this->store().view()->slots, SizeIs(0));
    EXPECT_THAT(this->store().destroySlot(32), FailsWith(ErrorCode::Internal));
    ASSERT_THAT(this->add(0, "again"), IsOk());
    EXPECT_TRUE(this->opens(0, "again"));
}

TYPED_TEST(HeaderStoreContract, TokensAreWrittenReplacedAndRemoved) {
    auto &store = this->store();
    ASSERT_THAT(store.setToken(31, R"({"type":"volumecrypt","keyslots":[],"b":1,"a":"/"})"),
                IsOk());
    auto view = store.view();
    ASSERT_THAT(view, IsOk());
    EXPECT_EQ(view->tokens.at(31).type, "volumecrypt");
    EXPECT_EQ(view->tokens.at(31).json, R"({"a":"/","b":1,"keyslots":[],"type":"volumecrypt"})");

    ASSERT_THAT(store.setToken(31, R"({"type":"other","keyslots":[]})"), IsOk());
    view = store.view();
    EXPECT_EQ(view->tokens.at(31).type, "other");
    EXPECT_EQ(view->tokens.at(31).id, 31U);

    ASSERT_THAT(store.removeToken(31), IsOk());
    EXPECT_THAT(store.view()->tokens, SizeIs(0));
    EXPECT_THAT(store.removeToken(31), IsOk()) << "an absent token is success";
}

TYPED_TEST(HeaderStoreContract, TokensFollowTheirSlots) {
    auto &store = this->store();
    ASSERT_THAT(this->add(2, "two"), IsOk());
    ASSERT_THAT(store.setToken(2, R"({"type":"systemd-tpm2","keyslots":["2"]})"), IsOk());
    EXPECT_THAT(store.view()->tokens.at(2).keyslots, ElementsAre(2U));
    ASSERT_THAT(store.destroySlot(2), IsOk());
    EXPECT_THAT(store.view()->tokens.at(2).keyslots, SizeIs(0));
}

TYPED_TEST(HeaderStoreContract, MalformedTokensAreRefused) {
    auto &store = this->store();
    for (const std::string text : {"", "[]", "{", R"({"keyslots":[]})", R"({"type":"t"})",
                                   R"({"type":"t","keyslots":["5"]})"})
        EXPECT_THAT(store.setToken(0, text), FailsWith(ErrorCode::Internal)) << text;
    EXPECT_THAT(store.view()->tokens, SizeIs(0));
}

TYPED_TEST(HeaderStoreContract, DigestChangesWithTheSlotAndOnlyThen) {
    auto &store = this->store();
    ASSERT_THAT(this->add(0, "zero"), IsOk());
    const auto first = store.slotDigest(0);
    ASSERT_THAT(first, IsOk());
    EXPECT_THAT(*first, SizeIs(32));
    ASSERT_THAT(this->add(1, "zero"), IsOk());
    ASSERT_THAT(store.setToken(0, R"({"type":"t","keyslots":["0"]})"), IsOk());
    EXPECT_EQ(*store.slotDigest(0), *first);
    EXPECT_NE(*store.slotDigest(1), *first);
    ASSERT_THAT(store.destroySlot(0), IsOk());
    ASSERT_THAT(this->add(0, "zero"), IsOk());
    EXPECT_NE(*store.slotDigest(0), *first);
}

}  // namespace
}  // namespace volumecrypt::test

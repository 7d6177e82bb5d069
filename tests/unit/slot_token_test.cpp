// SPDX-License-Identifier: Apache-2.0
// Which token belongs to which slot, and where new ones go.
#include "model/slot_token.h"

#include <gtest/gtest.h>

namespace volumecrypt::model {
namespace {

using Ids = std::vector<unsigned>;

KeySpec kms(unsigned slot) {
    KeySpec key;
    key.slot = slot;
    key.parameters = KmsKey{};
    return key;
}

KeySpec tpm(unsigned slot) {
    KeySpec key;
    key.slot = slot;
    key.parameters = TpmKey{};
    return key;
}

template <typename... Keys>
std::vector<KeySpec> list(Keys... keys) {
    std::vector<KeySpec> all;
    (all.push_back(std::move(keys)), ...);
    return all;
}

class SlotTokenTest : public testing::Test {
  protected:
    void token(unsigned id, const std::string &type, std::vector<unsigned> keyslots,
               const std::string &json = "{}") {
        view_.tokens[id] = {.id = id, .type = type, .keyslots = std::move(keyslots), .json = json};
    }
    void slot(unsigned number) { view_.slots[number] = SlotView{.number = number}; }
    unsigned choose(KeyKind kind, unsigned forSlot, const std::vector<KeySpec> &declared) {
        return chooseSlotToken(view_, kind, forSlot, declared).value_or(99);
    }

    HeaderView view_;
};

TEST_F(SlotTokenTest, BySlotThatIsNamed) {
    token(31, "systemd-tpm2", {0});
    token(30, "volumecrypt-tpm2", {1});
    token(29, "systemd-recovery", {2});
    token(28, "clevis", {0});
    EXPECT_EQ(tokensOfSlot(view_, 0), Ids{31});
    EXPECT_EQ(slotToken(view_, KeyKind::Tpm, 0)->id, 31U);
    EXPECT_EQ(slotToken(view_, KeyKind::Tpm, 1)->id, 30U);
    EXPECT_EQ(slotToken(view_, KeyKind::Recovery, 2)->id, 29U);
    EXPECT_FALSE(slotToken(view_, KeyKind::Tpm, 2));
    EXPECT_FALSE(slotToken(view_, KeyKind::Static, 0));
    EXPECT_FALSE(slotToken(view_, KeyKind::Tpm, 31)) << "the id says nothing";
}

TEST_F(SlotTokenTest, SharedTokensBelongToNobody) {
    token(3, "systemd-tpm2", {0, 1});
    token(4, "systemd-tpm2", {});
    EXPECT_EQ(tokensOfSlot(view_, 0), Ids{});
    EXPECT_EQ(tokensOfSlot(view_, 4), Ids{});
}

TEST_F(SlotTokenTest, KmsByNumber) {
    token(2, "sideroKMS", {}, R"({"UserData":{"sealedData":"AA=="}})");
    token(31, "sideroKMS", {}, R"({"UserData":{"sealedData":"AA==","slot":5}})");
    token(5, "clevis", {5});
    EXPECT_EQ(slotToken(view_, KeyKind::Kms, 2)->id, 2U);
    EXPECT_EQ(slotToken(view_, KeyKind::Kms, 5)->id, 31U);
    EXPECT_FALSE(slotToken(view_, KeyKind::Kms, 31));
    token(7, "sideroKMS", {}, "no JSON");
    EXPECT_EQ(slotToken(view_, KeyKind::Kms, 7)->id, 7U);
    token(8, "sideroKMS", {}, R"({"UserData":{"slot":"x"}})");
    EXPECT_EQ(slotToken(view_, KeyKind::Kms, 8)->id, 8U);
    token(9, "talos-tpm2", {});
    EXPECT_EQ(tokensOfSlot(view_, 9), Ids{9});
    EXPECT_FALSE(slotToken(view_, KeyKind::Tpm, 9)) << "we cannot unseal it";
}

TEST_F(SlotTokenTest, TpmTokensKeepAwayFromSlots) {
    EXPECT_EQ(choose(KeyKind::Tpm, 0, list(tpm(0))), 31U);
    token(31, "volumecrypt", {});
    slot(30);
    EXPECT_EQ(choose(KeyKind::Tpm, 0, list(tpm(0), tpm(29))), 28U);
}

TEST_F(SlotTokenTest, KmsTokensHaveTheSlotsNumber) {
    EXPECT_EQ(choose(KeyKind::Kms, 4, list(kms(4))), 4U);
    token(4, "clevis", {0});
    EXPECT_EQ(choose(KeyKind::Kms, 4, list(kms(4))), 31U);
}

TEST_F(SlotTokenTest, EverythingDeclared) {
    std::vector<KeySpec> declared;
    for (unsigned number = 0; number < kSlotCount; ++number)
        declared.push_back(number >= 30 ? kms(number) : tpm(number));
    // Not in the way of a kms key.
    EXPECT_EQ(choose(KeyKind::Tpm, 0, declared), 29U);
    for (unsigned number = 0; number < 30; ++number) token(number, "systemd-tpm2", {number});
    EXPECT_EQ(choose(KeyKind::Tpm, 0, declared), 31U);
    token(30, "x", {});
    token(31, "x", {});
    const auto full = chooseSlotToken(view_, KeyKind::Tpm, 0, declared);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, base::ErrorCode::NoSpace);
}

TEST(TokenFromJson, Type) {
    EXPECT_EQ(tokenFromJson(R"({"type":"sideroKMS","keyslots":[]})").type, "sideroKMS");
    EXPECT_EQ(tokenFromJson("[]").type, "");
    EXPECT_EQ(tokenFromJson("{").type, "");
    EXPECT_EQ(tokenFromJson(R"({"type":1})").json, R"({"type":1})");
}

}  // namespace
}  // namespace volumecrypt::model

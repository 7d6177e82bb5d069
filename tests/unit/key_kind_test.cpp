// SPDX-License-Identifier: Apache-2.0
// The table of key kinds, and that what is said of a kind elsewhere agrees with its row.
#include "model/key_kind.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "model/key_files.h"
#include "model/key_spec.h"
#include "model/volume_spec.h"
#include "model/volume_spec_json.h"

namespace volumecrypt::model {
namespace {

using Names = std::set<std::string_view>;

// Gives every member another value than it has by itself, and notes the names.
struct Filler {
    Names &names;
    void operator()(std::string_view name, std::string &value) const {
        names.insert(name);
        value = name == "tcti" ? "swtpm:" : "/" + std::string(name);
    }
    void operator()(std::string_view name, bool &value) const {
        names.insert(name);
        value = !value;
    }
    void operator()(std::string_view name, std::vector<unsigned> &value) const {
        names.insert(name);
        value = {3, static_cast<unsigned>(names.size())};
    }
    template <typename Part>
    void operator()(std::string_view name, std::optional<Part> &part) const {
        names.insert(name);
        Part::members(part.emplace(), *this);
    }
};

class EachDeclarable : public testing::TestWithParam<const KeyKindRow *> {
  protected:
    EachDeclarable() {
        KeySpec key;
        key.slot = 5;
        key.parameters = emptyParameters(row().kind).value();
        std::visit([&](auto &of) { of.members(of, Filler{names_}); }, key.parameters);
        volume_.encryption.emplace();
        volume_.encryption->keys.push_back(std::move(key));
    }
    [[nodiscard]] static const KeyKindRow &row() { return *GetParam(); }
    [[nodiscard]] const KeySpec &key() const { return volume_.encryption->keys.front(); }

    VolumeSpec volume_{VolumeId::state()};
    Names names_;
};

TEST_P(EachDeclarable, IsItsRows) {
    EXPECT_EQ(key().kind(), row().kind);
    EXPECT_EQ(&key().row(), &row());
    EXPECT_EQ(key().isSealed(), row().sealed);
}

TEST_P(EachDeclarable, HasItsMembersAmongTheFieldsOfItsRow) {
    const Names fields(row().fields.begin(), row().fields.end());
    for (const std::string_view name : names_) EXPECT_TRUE(fields.contains(name)) << name;
}

TEST_P(EachDeclarable, NamesTheFilesOfItsRow) {
    Names found;
    for (const KeyFile &file : keyFiles(volume_)) {
        EXPECT_EQ(file.slot, 5U);
        EXPECT_EQ(file.path, "/" + std::string(file.field));
        found.insert(file.field);
    }
    EXPECT_EQ(found, Names(row().files.begin(), row().files.end()));
}

TEST_P(EachDeclarable, IsRememberedWithEveryMember) {
    const std::string text = toJson(volume_);
    for (const std::string_view name : names_)
        EXPECT_NE(text.find("\"" + std::string(name) + "\""), std::string::npos) << name;
    const auto back = volumeSpecFromJson(text);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(toJson(*back), text);
    EXPECT_EQ(back->encryption->keys.front().parameterText(), key().parameterText());
}

TEST_P(EachDeclarable, SaysHowToHaveAnotherKey) {
    const bool ours = row().kind != KeyKind::Unmanaged;
    EXPECT_EQ(row().howToChange != nullptr, ours && !row().sealed);
}

std::vector<const KeyKindRow *> declarable() {
    std::vector<const KeyKindRow *> rows;
    for (const KeyKindRow &row : kKeyKinds)
        if (row.declarable) rows.push_back(&row);
    return rows;
}

INSTANTIATE_TEST_SUITE_P(Kinds, EachDeclarable, testing::ValuesIn(declarable()),
                         [](const auto &of) { return std::string(of.param->name); });

TEST(KeyKindTable, NamesAreOfOneKind) {
    for (const KeyKindRow &row : kKeyKinds) EXPECT_EQ(keyKindFromName(row.name), row.kind);
    EXPECT_FALSE(keyKindFromName("TPM"));
    EXPECT_FALSE(keyKindFromName(""));
}

TEST(KeyKindTable, TokensAreOfOneKind) {
    for (const KeyKindRow &row : kKeyKinds)
        for (const TokenType &type : row.tokens) {
            const auto known = kindOfToken(type.name);
            ASSERT_TRUE(known) << type.name;
            EXPECT_EQ(known->kind, row.kind) << type.name;
            EXPECT_EQ(&known->type, &type) << "two rows have " << type.name;
        }
    EXPECT_FALSE(kindOfToken("clevis"));
    EXPECT_FALSE(kindOfToken("volumecrypt")) << "the record belongs to no slot";
}

// A new kind changes this list and nothing else of the test: its author has to think of each.
TEST(KeyKindTable, Decisions) {
    struct Decision {
        bool sealed, machineMade, ofVolumeName;
        KeyReach reach;
        int tryingOrder;
        bool tokenTakesSlotNumber;
        bool operator==(const Decision &) const = default;
    };
    const std::map<std::string_view, Decision> wanted{
        {"static", {false, false, false, KeyReach::Nothing, 1, false}},
        {"nodeID", {false, false, true, KeyReach::Nothing, 1, false}},
        {"kms", {true, true, false, KeyReach::Network, 2, true}},
        {"tpm", {true, true, false, KeyReach::TpmDevice, 0, false}},
        {"passphrase", {false, false, false, KeyReach::Nothing, 1, false}},
        {"recovery", {false, true, false, KeyReach::Nothing, 1, false}},
        {"unmanaged", {false, false, false, KeyReach::Nothing, 1, false}},
        {"unknown", {false, false, false, KeyReach::Nothing, 1, false}},
    };
    for (const KeyKindRow &row : kKeyKinds) {
        const Decision is{row.sealed, row.machineMade, row.ofVolumeName,
                          row.reach,  row.tryingOrder, row.tokenTakesSlotNumber};
        ASSERT_TRUE(wanted.contains(row.name)) << row.name << " was added without a decision";
        EXPECT_EQ(is, wanted.at(row.name)) << row.name;
    }
}

TEST(KeyKindTable, ListsOfNames) {
    EXPECT_EQ(kindNames(&KeyKindRow::sealed, "or"), "kms or tpm");
    EXPECT_EQ(kindNames(&KeyKindRow::addable, "or"), "passphrase or recovery");
    EXPECT_EQ(kindNames(&KeyKindRow::declarable, "and"), "static, nodeID, kms, tpm and unmanaged");
    EXPECT_EQ(kindNames(&KeyKindRow::ofVolumeName, "and"), "nodeID");
}

}  // namespace
}  // namespace volumecrypt::model

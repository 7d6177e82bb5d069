// SPDX-License-Identifier: Apache-2.0
// Looking things up in the table of key kinds, and what has to be true of it.
#include "model/key_kind.h"

#include <algorithm>
#include <vector>

namespace volumecrypt::model {
namespace {

// A kind that was forgotten, or stands in another's place.
consteval bool eachHasItsRow() {
    for (std::size_t i = 0; i < kKeyKinds.size(); ++i)
        if (kKeyKinds.at(i).kind != KeyKind{static_cast<int>(i)}) return false;
    return kKeyKinds.back().kind == KeyKind::Unknown;
}

// What a row says has to fit together: a key that is sealed without a token is lost at once, and
// one that nobody made up at random is guessed with a cheap KDF.
constexpr bool isSound(const KeyKindRow &row) {
    const bool readable = std::ranges::any_of(row.tokens, &TokenType::readable);
    const bool filesAreFields = std::ranges::all_of(row.files, [&row](std::string_view file) {
        return std::ranges::find(row.fields, file) != row.fields.end();
    });
    return !row.name.empty() && filesAreFields && (!row.sealed || (readable && row.machineMade)) &&
           (!row.sealed || row.declarable) && (row.fields.empty() || row.declarable);
}

static_assert(eachHasItsRow(), "each kind has a row in kKeyKinds, in the order of KeyKind");
static_assert(std::ranges::all_of(kKeyKinds, isSound), "a row contradicts itself");

}  // namespace

std::optional<KeyKind> keyKindFromName(std::string_view name) {
    const auto row = std::ranges::find(kKeyKinds, name, &KeyKindRow::name);
    return row == kKeyKinds.end() ? std::nullopt : std::optional(row->kind);
}

std::optional<KeyKind> keyKindFromName(std::string_view name, bool KeyKindRow::*property) {
    const auto kind = keyKindFromName(name);
    return kind && rowOf(*kind).*property ? kind : std::nullopt;
}

std::optional<KindToken> kindOfToken(std::string_view type) {
    for (const KeyKindRow &row : kKeyKinds)
        for (const TokenType &token : row.tokens)
            if (token.name == type) return KindToken{.kind = row.kind, .type = token};
    return std::nullopt;
}

std::string kindNames(bool KeyKindRow::*property, std::string_view lastWord) {
    std::vector<std::string_view> names;
    for (const KeyKindRow &row : kKeyKinds)
        if (row.*property) names.push_back(row.name);
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0 && i + 1 == names.size())
            text.append(" ").append(lastWord).append(" ");
        else if (i > 0)
            text += ", ";
        text += names[i];
    }
    return text;
}

}  // namespace volumecrypt::model

// SPDX-License-Identifier: Apache-2.0
// Tokens and their key slots.
#include "model/slot_token.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"

namespace volumecrypt::model {
namespace {

using Json = nlohmann::json;

// The slot that a token without `keyslots` is for.
unsigned unnamedSlot(const TokenView &token) {
    const Json json = base::parseForeignJson(token.json);
    const Json::json_pointer at("/UserData/slot");
    if (json.is_discarded() || !json.contains(at)) return token.id;
    return base::integerIn<unsigned>(json.at(at)).value_or(token.id);
}

bool belongsTo(const TokenView &token, unsigned slot) {
    const auto known = kindOfToken(token.type);
    if (!known) return false;
    if (!known->type.namesSlot && token.keyslots.empty()) return unnamedSlot(token) == slot;
    return token.keyslots.size() == 1 && token.keyslots.front() == slot;
}

bool isTypeOf(KeyKind kind, const std::string &type) {
    const auto known = kindOfToken(type);
    return known && known->kind == kind && known->type.readable;
}

template <typename Accept>
std::optional<unsigned> highestFree(const HeaderView &view, Accept accept) {
    for (unsigned id = kSlotCount; id-- > 0;)
        if (!view.tokens.contains(id) && accept(id)) return id;
    return std::nullopt;
}

}  // namespace

TokenView tokenFromJson(const std::string &json) {
    TokenView token;
    token.json = json;
    const Json parsed = base::parseForeignJson(json);
    if (!parsed.is_object()) return token;
    if (const auto type = parsed.find("type"); type != parsed.end() && type->is_string())
        token.type = type->get<std::string>();
    return token;
}

std::vector<unsigned> tokensOfSlot(const HeaderView &view, unsigned slot) {
    std::vector<unsigned> ids;
    for (const auto &[id, token] : view.tokens)
        if (belongsTo(token, slot)) ids.push_back(id);
    return ids;
}

std::optional<TokenView> slotToken(const HeaderView &view, KeyKind kind, unsigned slot) {
    for (const unsigned id : tokensOfSlot(view, slot))
        if (const TokenView &token = view.tokens.at(id); isTypeOf(kind, token.type)) return token;
    return std::nullopt;
}

std::optional<unsigned> undeclaredTokenId(const HeaderView &view,
                                          const std::vector<KeySpec> &declared) {
    const auto free = highestFree(view, [&](unsigned id) {
        return !view.slots.contains(id) && keyInSlot(declared, id) == nullptr;
    });
    if (free) return free;
    return highestFree(view, [&](unsigned id) { return keyInSlot(declared, id) == nullptr; });
}

bool isTokenPromised(const std::vector<KeySpec> &declared, unsigned id) {
    const KeySpec *key = keyInSlot(declared, id);
    return key != nullptr && key->row().tokenTakesSlotNumber;
}

std::optional<unsigned> spareTokenId(const HeaderView &view, const std::vector<KeySpec> &declared) {
    return highestFree(view, [&](unsigned id) { return !isTokenPromised(declared, id); });
}

base::Result<unsigned> chooseSlotToken(const HeaderView &view, KeyKind kind, unsigned slot,
                                       const std::vector<KeySpec> &declared) {
    if (rowOf(kind).tokenTakesSlotNumber && !view.tokens.contains(slot)) return slot;
    auto id = undeclaredTokenId(view, declared);
    if (!id) id = spareTokenId(view, declared);
    if (!id) id = highestFree(view, [](unsigned) { return true; });
    if (id) return *id;
    return base::fail(
        base::ErrorCode::NoSpace, "all 32 tokens of the header are in use",
        "Remove a token that nobody needs: `cryptsetup token remove --token-id N DEVICE`.");
}

}  // namespace volumecrypt::model

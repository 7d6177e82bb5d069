// SPDX-License-Identifier: Apache-2.0
// Which token of a header belongs to which key slot, and where a new one goes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/header_view.h"
#include "model/key_spec.h"

namespace volumecrypt::model {

// What a token of a known type says of itself; a text that is no token has no type.
TokenView tokenFromJson(const std::string &json);

// Tokens of keys (see KeyKindRow::tokens) that belong to `slot` and to no other one. None of them
// is of use without the slot.
std::vector<unsigned> tokensOfSlot(const HeaderView &view, unsigned slot);

// The token of a key of this kind in `slot`: what its passphrase is unsealed from. Empty for kinds
// without one.
std::optional<TokenView> slotToken(const HeaderView &view, KeyKind kind, unsigned slot);

// The highest id at which token and key slot are free and no slot is declared; else the highest
// free one that is not declared.
std::optional<unsigned> undeclaredTokenId(const HeaderView &view,
                                          const std::vector<KeySpec> &declared);
// The token of the key that is declared for the slot of this number is to have it, too.
bool isTokenPromised(const std::vector<KeySpec> &declared, unsigned id);
// The highest free id that is not promised.
std::optional<unsigned> spareTokenId(const HeaderView &view, const std::vector<KeySpec> &declared);

// For a new token of a key of this kind in `slot`: the slot's own number for kinds that take it,
// when it is free, else as above. NoSpace.
base::Result<unsigned> chooseSlotToken(const HeaderView &view, KeyKind kind, unsigned slot,
                                       const std::vector<KeySpec> &declared);

}  // namespace volumecrypt::model

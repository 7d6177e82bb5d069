// SPDX-License-Identifier: Apache-2.0
// Look-ups in a header.
#include "model/header_view.h"

#include <algorithm>

#include "model/key_spec.h"

namespace volumecrypt::model {

std::optional<unsigned> HeaderView::tokenOfType(const std::string &type) const {
    for (const auto &[id, token] : tokens)
        if (token.type == type) return id;
    return std::nullopt;
}

std::optional<unsigned> HeaderView::highestFreeSlot(const std::vector<unsigned> &avoid) const {
    for (unsigned slot = kSlotCount; slot-- > 0;) {
        const bool avoided = std::find(avoid.begin(), avoid.end(), slot) != avoid.end();
        if (!avoided && !slots.contains(slot)) return slot;
    }
    return std::nullopt;
}

}  // namespace volumecrypt::model

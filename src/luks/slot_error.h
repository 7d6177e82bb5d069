// SPDX-License-Identifier: Apache-2.0
// Errors about one key slot.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace volumecrypt::luks {

inline std::string slotName(unsigned slot) {
    return "key slot " + std::to_string(slot);
}

inline tl::unexpected<base::Error> failSlot(base::ErrorCode code, unsigned slot,
                                            std::string message, std::string hint = {}) {
    base::Error error;
    error.code = code;
    error.message = std::move(message);
    error.hint = std::move(hint);
    error.slot = slot;
    return base::fail(std::move(error));
}

}  // namespace volumecrypt::luks

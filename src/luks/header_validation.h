// SPDX-License-Identifier: Apache-2.0
// Which headers are accepted, and which KDFs may be run: nothing in a header is authenticated.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

// Version 2, exactly one segment of type crypt, known ciphers for data and key slots, no null
// cipher, known KDFs (argon2id, argon2i, pbkdf2), no unknown flags or requirements, no
// integrity. HeaderRefused with what was found.
base::Status validateHeader(const model::HeaderView &view);

// The same of a header that may be in flight: of one it accepts each state that
// HeaderView::reencryption can tell, when every part of the data is read as before or as it will
// be. Only for a reencryption that our record names: nobody else's is looked into.
base::Status validateHeaderInFlight(const model::HeaderView &view);

// Whether the slot's KDF may be run here: HeaderRefused when it asks for more than half of `ramKiB`
// or (by a generous estimate) more than a minute.
base::Status validateKdfCost(const model::SlotView &slot, std::uint64_t ramKiB);

}  // namespace volumecrypt::luks

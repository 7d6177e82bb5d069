// SPDX-License-Identifier: Apache-2.0
// The keys of a volume with their passphrases: what a change of the volume key has to carry over.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/key_kind.h"
#include "volume/comparison.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Each needs a second slot, and the reencryption one more.
inline constexpr unsigned kMostCarriedKeys = 15;

struct CarriedKey {
    unsigned slot = 0;
    model::KeyKind kind = model::KeyKind::Unknown;
    base::SecretBuffer passphrase;  // was proven to open the slot
};

// One for each key slot, those that are opened at the least cost first. Without its passphrase a
// key cannot be carried, and it is not ours to drop: SlotInUse with the list of those slots, which
// the secret of the session is tried for as well. NoSpace when there are too many.
base::Result<std::vector<CarriedKey>> carriedKeys(const Session &session,
                                                  const OpenedVolume &volume, KeyRing &ring);

// The passphrase by which the volume was opened.
base::Result<base::SecretBuffer> openingPassphrase(const Session &session,
                                                   const OpenedVolume &volume, KeyRing &ring);

}  // namespace volumecrypt::volume

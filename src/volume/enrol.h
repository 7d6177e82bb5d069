// SPDX-License-Identifier: Apache-2.0
// Adding a key to a slot and proving it.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_store.h"
#include "model/key_spec.h"
#include "model/record.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// KDF cost for a kind: keys that a machine made are random enough for the minimum.
luks::KdfCost costFor(const Session &session, model::KeyKind kind);

// Adds `passphrase` to the empty slot and opens the slot with it: the volume key that comes out
// must be the one that went in. On failure of the proof the slot is destroyed again. Internal when
// the proof fails.
base::Status addAndProve(const Session &session, luks::HeaderStore &store, unsigned slot,
                         model::KeyKind kind, const base::SecretBuffer &volumeKey,
                         const base::SecretBuffer &passphrase);

// Of the parameters that shape the enrolled key.
std::string paramsDigestOf(const model::KeySpec &key);
// The record's entry of a declared key, without the digests of area and check.
model::RecordSlot entryFor(const model::KeySpec &key, KeyRing &ring);
// Fills these in from the slot as it is now.
base::Status completeEntry(luks::HeaderStore &store, unsigned slot,
                           const base::SecretBuffer &recordKey,
                           const base::SecretBuffer &passphrase, model::RecordSlot &entry);

}  // namespace volumecrypt::volume

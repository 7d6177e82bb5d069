// SPDX-License-Identifier: Apache-2.0
// Key slots for a volume key that no data is encrypted with yet.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_copy.h"
#include "luks/header_store.h"

namespace volumecrypt::luks {

// Random. Io.
base::Result<base::SecretBuffer> makeVolumeKey(std::size_t bytes);

// Adds a key to an empty slot, for the volume key to come. It must be the same key for all slots
// until these are gone again. SlotInUse, NoSpace, Io; the caller holds the volume's lock.
base::Status addNewKeySlot(const std::string &path, unsigned slot,
                           const base::SecretBuffer &newVolumeKey,
                           const base::SecretBuffer &passphrase, KdfCost cost);

// As openSlot, of a slot of either volume key.
base::Result<base::SecretBuffer> openAnySlot(const HeaderCopy &copy, unsigned slot,
                                             const base::SecretBuffer &passphrase);

}  // namespace volumecrypt::luks

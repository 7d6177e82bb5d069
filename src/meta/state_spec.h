// SPDX-License-Identifier: Apache-2.0
// Between what META says of STATE's encryption and a declaration.
#pragma once

#include <vector>

#include "base/result.h"
#include "meta/state_encryption.h"
#include "model/volume_spec.h"

namespace volumecrypt::meta {

// What Talos would write for the declaration, in its document's words and order. Keys that Talos'
// form has no words for (a passphraseFile, `unmanaged: {}`) are left out: with an empty passphrase
// they would be the key of whoever tries it. So `keys` may be empty.
StateEncryption stateEncryptionOf(const model::EncryptionSpec &spec);

// The declaration, after the checks that a document's encryption passes (the endpoint of a kms key
// excepted, see config::readEndpoint). Static keys without a passphrase are left out. HeaderCorrupt
// when something is wrong, or no key remains.
base::Result<model::EncryptionSpec> specOf(const StateEncryption &encryption);

// Slots of static keys without a passphrase.
std::vector<unsigned> slotsWithoutPassphrase(const StateEncryption &encryption);

}  // namespace volumecrypt::meta

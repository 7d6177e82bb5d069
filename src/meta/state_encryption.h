// SPDX-License-Identifier: Apache-2.0
// STATE's encryption as META keeps it: the JSON that Talos writes, in both of its layouts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/volume_spec.h"

namespace volumecrypt::meta {

// The JSON that Talos (1.12) would write, byte for byte; what only we have follows in fields of our
// own, which it ignores. nullptr: `null`, a plain volume. InvalidConfig when a passphrase is no
// UTF-8.
base::Result<base::SecretBuffer> formatStateEncryption(const model::EncryptionSpec *encryption);

// Nothing for `null` and for the provider none. HeaderCorrupt.
base::Result<std::optional<model::EncryptionSpec>> parseStateEncryption(std::string_view json);

// For people: the same JSON with the passphrases left out.
std::string redactedStateEncryption(std::string_view json);

}  // namespace volumecrypt::meta

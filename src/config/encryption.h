// SPDX-License-Identifier: Apache-2.0
// Reads the `encryption` block, which all kinds of volumes share.
#pragma once

#include <optional>

#include "config/draft.h"
#include "config/fields.h"
#include "model/volume_spec.h"

namespace volumecrypt::config {

// Nothing for a plain volume, and when it is wrong.
std::optional<model::EncryptionSpec> readEncryption(Fields &document, Draft &draft);

}  // namespace volumecrypt::config

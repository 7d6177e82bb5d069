// SPDX-License-Identifier: Apache-2.0
// From the JSON of a header in flight to model::Reencryption, without libcryptsetup: that does not
// tell the last moments of a reencryption from its beginning.
#pragma once

#include <optional>

#include "luks/json_reader.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

// `view` has all but the reencryption, of the same header. Empty when no reencryption is under way,
// and when what there is does not fit together: then nobody must act on it.
std::optional<model::Reencryption> readReencryption(const JsonReader &root,
                                                    const model::HeaderView &view);

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Reads the parameters of each kind of key.
#pragma once

#include "config/fields.h"
#include "model/key_spec.h"

namespace volumecrypt::config {

// What is wrong was reported; the result is then to be thrown away.
model::StaticKey readStatic(Fields &fields, std::int64_t slot);
model::KmsKey readKms(Fields &fields);
model::TpmKey readTpm(Fields &fields, std::int64_t slot);

}  // namespace volumecrypt::config

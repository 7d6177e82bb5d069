// SPDX-License-Identifier: Apache-2.0
// Reads the parameters of each kind of key.
#pragma once

#include "config/fields.h"
#include "model/key_spec.h"

namespace volumecrypt::config {

// Of a key of a kind that can be declared. What is wrong was reported; the result is then to be
// thrown away.
model::KeyParameters readParameters(model::KeyKind kind, Fields &fields, std::int64_t slot);

}  // namespace volumecrypt::config

// SPDX-License-Identifier: Apache-2.0
// Reads a field that holds a path.
#pragma once

#include <string>
#include <string_view>

#include "config/fields.h"

namespace volumecrypt::config {

// Empty when it is absent or wrong.
std::string readPath(Fields &fields, std::string_view name);

}  // namespace volumecrypt::config

// SPDX-License-Identifier: Apache-2.0
// Bytes as hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace volumecrypt::base {

// Two lower-case digits for each byte.
std::string toHex(std::string_view bytes);

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// Base64 with the standard alphabet and padding, as tokens have it. Not for secrets: what it made
// is not wiped.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace volumecrypt::base {

std::string toBase64(std::string_view bytes);

// Nothing when it is not base64: another character, also white space, or padding that is missing.
std::optional<std::string> fromBase64(std::string_view text);

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// A QR code in the characters of a terminal.
#pragma once

#include <optional>

#include "base/secret_buffer.h"

namespace volumecrypt::cli {

// UTF-8, two rows of dots a line, dark on light whatever the colours of the terminal are. Nothing
// when the text is too long for one.
std::optional<base::SecretBuffer> qrCode(const base::SecretBuffer &text);

}  // namespace volumecrypt::cli

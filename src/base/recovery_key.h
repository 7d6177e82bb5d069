// SPDX-License-Identifier: Apache-2.0
// Recovery keys in systemd's form: 256 random bits in letters that are in the same place on almost
// every keyboard, in eight groups of eight.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::base {

inline constexpr std::size_t kRecoveryKeyGroups = 8;
inline constexpr std::size_t kRecoveryGroupLength = 8;
inline constexpr std::size_t kRecoveryKeyLength =
    kRecoveryKeyGroups * (kRecoveryGroupLength + 1) - 1;

// kRecoveryKeyLength characters, dashes included: all of them are the passphrase.
Result<SecretBuffer> makeRecoveryKey();

// The key as somebody typed it, with the dashes in their places and the letters small; blanks and
// dashes do not matter. InvalidConfig when it is no recovery key.
Result<SecretBuffer> normalizeRecoveryKey(const SecretBuffer &typed);

}  // namespace volumecrypt::base

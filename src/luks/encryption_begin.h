// SPDX-License-Identifier: Apache-2.0
// The header of a device whose data is to be encrypted where it is.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_build.h"

namespace volumecrypt::luks {

// 32 key slots for keys of 64 bytes: so small that header and key slots fit into the gap of
// kTailRoom.
inline constexpr std::uint64_t kEncryptionKeyslotsSize = std::uint64_t{32} * 258048;

// The header in `header.memory`, whose key slots are complete, becomes one that says: nothing is
// encrypted yet, and the first segment of the device has been moved to its end. libcryptsetup
// works on memory only and touches no disk. `parameters` as for buildHeader; `slot` is opened by
// `passphrase`.
base::Status beginEncryption(const NewHeader &header, const FormatParameters &parameters,
                             unsigned slot, const base::SecretBuffer &passphrase);

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Encrypting the data of a device whose header is in flight, and the end of that.
#pragma once

#include <optional>

#include "base/result.h"
#include "luks/mapping.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Goes on from wherever it is: recovers, encrypts, ends it, pins the volume. Offline: nobody uses
// the device. Cancelled at a safe point after a signal; NoUsableKey; ForeignVolume when the record
// is not ours or has another job; Busy, Io. When it returns without an error the volume is one like
// any other.
base::Status runEncryption(const Session &session, KeyRing &ring);

// For who wants to use the volume, and not to wait for the end: recovers what was being written,
// and maps the volume in flight by the slot that is returned. Empty when all data was encrypted:
// the encryption is ended then, and the volume is one like any other. Errors as runEncryption, and
// luks::activate.
base::Result<std::optional<unsigned>> mapEncryption(const Session &session, KeyRing &ring,
                                                    const luks::ActivationOptions &options);

}  // namespace volumecrypt::volume

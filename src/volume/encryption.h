// SPDX-License-Identifier: Apache-2.0
// A plain file system that is encrypted where it is: from its first step to its last, and what is
// so in between.
#pragma once

#include <optional>

#include "base/result.h"
#include "luks/encryption_marker.h"
#include "luks/mapping.h"
#include "volume/device_state.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Every obtainable declared key is proven, the file system has room behind it, and the header is on
// the device; no data is encrypted yet. Killed anywhere, the file system is as it was, or the
// device has a marker from which finishStart goes on. Errors of expectEncryptable; NoUsableKey.
base::Status startEncryption(const Session &session, KeyRing &ring, const DeviceContent &found);

// From the marker. False when the device is a plain one again, and all begins anew: nothing but the
// marker had been written, or the device has another size now.
base::Result<bool> finishStart(const Session &session, const luks::EncryptionMarker &marker);

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

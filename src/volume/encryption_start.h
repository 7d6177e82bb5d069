// SPDX-License-Identifier: Apache-2.0
// From a plain file system to a device whose encryption is in flight, and back to that from
// wherever it was interrupted.
#pragma once

#include "base/result.h"
#include "luks/encryption_marker.h"
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

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// A volume that is declared without encryption: decrypted where it is, from its first step to its
// last.
#pragma once

#include "base/result.h"
#include "luks/decryption_marker.h"
#include "volume/device_state.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Of the volume that `found` describes. Everything that can be refused is refused before anything
// is written: NoUsableKey, KeyRejected, ForeignVolume, Busy, NoSpace, Unsupported, NotBlank,
// HeaderRefused. The last write makes it ours to go on with.
base::Result<luks::DecryptionMarker> startDecryption(const Session &session,
                                                     const DeviceContent &found);

// Goes on from wherever it was interrupted, to its end. NoUsableKey, KeyRejected; HeaderCorrupt;
// ForeignVolume; Cancelled at a safe point; Io.
base::Status runDecryption(const Session &session, const luks::DecryptionMarker &marker);

}  // namespace volumecrypt::volume

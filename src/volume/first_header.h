// SPDX-License-Identifier: Apache-2.0
// The first header of a volume: every obtainable declared key in it and proven, with our record in
// phase `formatting`.
#pragma once

#include "base/result.h"
#include "luks/header_build.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// In memory only. NoUsableKey when no declared key can be had; keys that cannot be had now are
// warned about and left to sync.
base::Result<luks::NewHeader> buildFirstHeader(const Session &session, KeyRing &ring);
// The same with a form and a record of its own; what the record says of the slots is added. `ring`
// remembers the keys.
base::Result<luks::NewHeader> buildFirstHeader(const Session &session, KeyRing &ring,
                                               const luks::FormatParameters &parameters,
                                               model::Record record);

// Whether the device is blank, or an earlier format of it was interrupted. NotBlank; Unsupported
// when a newer version began to format it.
base::Status expectBlank(const Session &session);

// Opens the device exclusively, checks that it may be written to (blank, or an earlier format that
// was interrupted; anything with `overwrite`), builds the header and writes it. NotBlank, Busy,
// NoUsableKey, NoSpace, Io.
base::Status formatDevice(const Session &session, KeyRing &ring, bool overwrite);

// NotLuks2 tells why the declaration does not let us. For attach, which does it, and for plan,
// which foresees it.
base::Status mayFormat(const Session &session);

}  // namespace volumecrypt::volume

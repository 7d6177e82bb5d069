// SPDX-License-Identifier: Apache-2.0
// The key of a volume that is declared without encryption, and so without keys.
#pragma once

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_copy.h"
#include "volume/session.h"

namespace volumecrypt::volume {

struct OpenedBySecret {
    luks::HeaderCopy header;
    base::SecretBuffer volumeKey;
    unsigned slot = 0;
};

// By the secret that was given, a passphrase or a recovery key. NoUsableKey when there is none,
// KeyRejected when it opens no slot.
base::Result<OpenedBySecret> openBySecret(const Session &session, luks::HeaderCopy header);

// It is our volume, of this machine and with nothing else under way in it. ForeignVolume, Busy,
// HeaderCorrupt, Unsupported.
base::Status expectOurs(const Session &session, const OpenedBySecret &opened);

}  // namespace volumecrypt::volume

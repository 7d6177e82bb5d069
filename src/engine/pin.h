// SPDX-License-Identifier: Apache-2.0
// What is remembered of a volume outside it: LUKS metadata is not authenticated, so a disk that was
// swapped or zeroed is recognised by its pin.
#pragma once

#include "base/result.h"
#include "base/secret_buffer.h"
#include "engine/session.h"
#include "model/header_view.h"

namespace volumecrypt::engine {

// Whether a pin is there. Io when that cannot be found out.
base::Result<bool> hasPin(const Session &session);

// ForeignVolume when the volume is not the pinned one, or its header places its data elsewhere;
// success when it is, or when there is no pin. HeaderCorrupt when the pin file cannot be
// understood.
base::Status checkPin(const Session &session, const model::HeaderView &header,
                      const base::SecretBuffer &volumeKey);

// Of a volume that checkPin let pass. Writes the pin unless it is there already, and in place of
// one that an earlier version wrote. A read-only file system is success with a warning: sync writes
// it later.
base::Status writePin(const Session &session, const model::HeaderView &header,
                      const base::SecretBuffer &volumeKey);

// Absent is success.
base::Status dropPin(const Session &session);

// VolumeVanished when the device would be formatted although the volume is pinned.
base::Status checkNotPinned(const Session &session);

}  // namespace volumecrypt::engine

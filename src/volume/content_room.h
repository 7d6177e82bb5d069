// SPDX-License-Identifier: Apache-2.0
// Whether what is declared can be made on the device: asked before the first write.
#pragma once

#include "base/result.h"
#include "luks/header_copy.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// dm-crypt's sectors in a volume that is made now.
unsigned sectorSizeFor(const Session &session);

// A device without a header yet: room for the header, if one is declared, and for the declared file
// system, whose mkfs is installed. NoSpace, Unsupported.
base::Status expectRoom(const Session &session);
// The same for the file system behind a header that is there.
base::Status expectRoom(const Session &session, const model::HeaderView &header);

}  // namespace volumecrypt::volume

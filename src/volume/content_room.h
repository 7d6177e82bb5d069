// SPDX-License-Identifier: Apache-2.0
// Whether what is declared can be made on the device: asked before the first write.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "luks/header_copy.h"
#include "model/header_view.h"
#include "volume/reporter.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// dm-crypt's sectors in a volume that is made now.
unsigned sectorSizeFor(const Session &session);

// A device without a header yet: room for the header, if one is declared, and for the declared file
// system, whose mkfs is installed. NoSpace, Unsupported.
base::Status expectRoom(const Session &session);
// The same for the file system behind a header that is there.
base::Status expectRoom(const Session &session, const model::HeaderView &header);

struct MappingRoom {
    std::uint64_t now = 0;   // bytes
    std::uint64_t most = 0;  // at least `now`, where the device did not become smaller
};

// Of an unlocked volume. Unsupported when its header gives it a fixed size, or when the device ends
// in a part of a sector.
base::Result<MappingRoom> mappingRoom(const Session &session, const model::HeaderView &header);

// Says in plan that `grow` has something to do; the rest of the plan does not depend on it.
void noteUnusedRoom(const Session &session, const model::HeaderView &header, Outcome &outcome);

}  // namespace volumecrypt::volume

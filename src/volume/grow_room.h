// SPDX-License-Identifier: Apache-2.0
// How much of its device a volume's mapping could have, and has.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "model/header_view.h"
#include "volume/reporter.h"
#include "volume/session.h"

namespace volumecrypt::volume {

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

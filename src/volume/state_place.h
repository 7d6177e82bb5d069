// SPDX-License-Identifier: Apache-2.0
// Where the other volumes find STATE: the salt of their keys, and copies of their pins.
#pragma once

#include <optional>

#include "keys/state_salt.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Nothing when STATE is not validly declared.
std::optional<keys::StatePlace> statePlace(const Session &session);

}  // namespace volumecrypt::volume

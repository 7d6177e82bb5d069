// SPDX-License-Identifier: Apache-2.0
// Whether a blank device may be formatted without anybody asking for it.
#pragma once

#include "volume/session.h"

namespace volumecrypt::volume {

// NotLuks2 tells why the declaration does not let us. For attach, which does it, and for plan,
// which foresees it.
base::Status mayFormat(const Session &session);

}  // namespace volumecrypt::volume

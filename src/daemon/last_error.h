// SPDX-License-Identifier: Apache-2.0
// Which failures are a volume's LastError, and which success ends it. Verbs are those of engines,
// with unlock and lock.
#pragma once

#include <string_view>

#include "base/error.h"

namespace volumecrypt::daemon {

// A request that was refused says something of the request, nothing of the volume. `isOpen`: the
// volume is unlocked.
bool isRefusal(std::string_view verb, base::ErrorCode code, bool isOpen);

// Whether the success of `verb` shows that what made `failed` fail is over.
bool endsError(std::string_view verb, std::string_view failed);

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// What the verbs share that change one key: add-key, remove-key and rotate.
#pragma once

#include <string>

#include "base/error.h"
#include "base/result.h"
#include "volume/reporter.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Reads the secrets, then finds declaration and device. Unsupported when the volume is declared
// without encryption.
base::Status prepareKeyEdit(Session &session);

// "volume u-data (/dev/vdb4), slot 3: WHAT"
base::Error slotError(const Session &session, unsigned slot, base::ErrorCode code,
                      const std::string &what, const std::string &hint);
base::Error emptySlot(const Session &session, unsigned slot);

// The end of a verb that changed the key in `slot`.
base::Result<Outcome> keyEdited(const Session &session, unsigned slot, const std::string &text);

}  // namespace volumecrypt::volume

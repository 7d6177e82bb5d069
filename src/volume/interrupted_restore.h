// SPDX-License-Identifier: Apache-2.0
// A restore of the header that the power ended: what the device held and what it was to hold are
// kept in the early state directory, and by them it is finished.
#pragma once

#include "base/result.h"
#include "luks/header_backup.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Keeps both: what is on the device now, and `wanted`. From here on the restore is finished by
// whoever comes next. The first of them in a memfd. Errors as rememberEarly.
base::Result<base::UniqueFd> beginRestore(const Session &session, int device,
                                          const luks::HeaderImage &wanted);
// Drops both.
base::Status endRestore(const Session &session);

// Of a locked session (Session::lock). Finishes a restore that was interrupted, and drops what was
// kept for it; where its first write never came, or its last one did, the latter is all. A header
// that somebody has changed since is left alone, with a warning. Io when the device cannot be
// written.
base::Status settleRestore(const Session &session);

}  // namespace volumecrypt::volume

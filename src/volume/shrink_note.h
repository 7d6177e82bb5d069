// SPDX-License-Identifier: Apache-2.0
// Making room behind a file system: remembered on the root file system while it is under way, since
// an interrupted one leaves a file system that is not even known as one.
#pragma once

#include "base/result.h"
#include "volume/plain_content.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Makes the file system on the device end at `plain.most`. Io when it cannot be remembered:
// nothing is done then. Errors of blockdev::shrinkFilesystem.
base::Status makeRoom(const Session &session, const PlainContent &plain);

// Repairs what an earlier makeRoom left that was interrupted; nothing to do is success. The device
// is not looked at before.
base::Status mendRoom(const Session &session);

}  // namespace volumecrypt::volume

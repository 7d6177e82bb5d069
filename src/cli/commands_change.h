// SPDX-License-Identifier: Apache-2.0
// The commands that change something.
#pragma once

#include "cli/session.h"

namespace volumecrypt::cli {

// Each returns the exit code.
int runApply(Session &session);
int runReload(Session &session);
int runLock(Session &session);
int runSync(Session &session);
int runAddKey(Session &session);
int runRemoveKey(Session &session);
int runRotateKey(Session &session);
int runGrow(Session &session);
int runCancel(Session &session);
// format, wipe, erase and forget, once confirmed.
int runConfirmed(Session &session);

}  // namespace volumecrypt::cli

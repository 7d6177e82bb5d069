// SPDX-License-Identifier: Apache-2.0
// The commands that only look.
#pragma once

#include "cli/session.h"

namespace volumecrypt::cli {

// Each returns the exit code.
int runList(Session &session);
int runStatus(Session &session);
int runPlan(Session &session);
int runKeys(Session &session);
int runJobs(Session &session);
int runWatch(Session &session);

}  // namespace volumecrypt::cli

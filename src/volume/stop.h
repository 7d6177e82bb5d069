// SPDX-License-Identifier: Apache-2.0
// SIGTERM and SIGINT: the engine stops at the next point at which the volume is whole.
#pragma once

#include "base/result.h"

namespace volumecrypt::volume {

// Installs the handlers and ignores SIGPIPE.
void watchForStop();

// Cancelled once a stop was asked for. Called between steps only.
base::Status checkStop();

// Waits; false when a stop was asked for before the time was over.
bool waitUnlessStopped(int milliseconds);

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// The process's file descriptors. When one cannot be received the connection to the bus is lost.
#pragma once

namespace volumecrypt::daemon {

// To what is enough for every call that may wait, or as far as the process may.
void raiseDescriptorLimit();
// Whether the lower half of them was full: as long as what waits is let in only when this is false,
// the upper half is there for what arrives.
bool descriptorsAreScarce();

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// A name for what holds the volume's file system, for units that were written before anybody knew
// whether the volume is encrypted.
#pragma once

#include "base/result.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Points the volume's content link to its mapping, or to the device of a plain volume.
base::Status linkContent(const Session &session);

}  // namespace volumecrypt::volume

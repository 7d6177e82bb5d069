// SPDX-License-Identifier: Apache-2.0
// The unit that uses an unlocked volume: its mount or its swap.
#pragma once

#include <string>

#include "model/volume_spec.h"

namespace volumecrypt::daemon {

// Empty when the configuration neither mounts the volume nor swaps to it.
std::string consumerUnit(const model::VolumeSpec &spec);

}  // namespace volumecrypt::daemon

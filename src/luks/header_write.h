// SPDX-License-Identifier: Apache-2.0
// The points at which writeHeader reaches the disk.
#pragma once

#include "base/result.h"
#include "luks/header_build.h"

namespace volumecrypt::luks {

enum class WritePoint { Marker, SlotsAndSecondary, PrimaryJson, PrimaryBinary };

// Writes up to and including `last`; writeHeader is that with PrimaryBinary. Tests stop earlier.
base::Status writeHeaderUpTo(WritePoint last, int deviceFd, const model::VolumeId &id,
                             const NewHeader &header);

}  // namespace volumecrypt::luks

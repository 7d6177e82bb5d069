// SPDX-License-Identifier: Apache-2.0
// Reads the blocks `volume` and `filesystem`: device and content.
#pragma once

#include "config/draft.h"
#include "config/fields.h"

namespace volumecrypt::config {

// STATE and EPHEMERAL, which have names of their own.
bool isSystemVolume(model::VolumeKind kind);
// Can hold a file system.
bool isMountable(model::VolumeKind kind);

// Each fills its part of the draft, defaults included.
void readDevice(Fields &document, Draft &draft);
void readFilesystem(Fields &document, Draft &draft);

}  // namespace volumecrypt::config

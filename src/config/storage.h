// SPDX-License-Identifier: Apache-2.0
// Reads the blocks `volume` and `filesystem`: device and content.
#pragma once

#include "config/draft.h"
#include "config/fields.h"

namespace volumecrypt::config {

// Those of a VolumeConfig, which have names of their own.
bool isSystemVolume(model::VolumeKind kind);
// Talos makes its file system, and no field says how.
bool isImageCache(const model::VolumeId &id);
// Can hold a file system.
bool isMountable(model::VolumeKind kind);

// Each fills its part of the draft, defaults included.
void readDevice(Fields &document, Draft &draft);
void readFilesystem(Fields &document, Draft &draft);

}  // namespace volumecrypt::config

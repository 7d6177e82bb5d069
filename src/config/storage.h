// SPDX-License-Identifier: Apache-2.0
// Reads the blocks `volume`, `filesystem` and `mount`: device, content and where it is mounted.
#pragma once

#include "config/draft.h"
#include "config/fields.h"

namespace volumecrypt::config {

// Each fills its part of the draft, defaults included.
void readDevice(Fields &document, Draft &draft);
void readFilesystem(Fields &document, Draft &draft);
// After readDevice and readFilesystem, on which its defaults and rules depend.
void readMount(Fields &document, Draft &draft);

}  // namespace volumecrypt::config

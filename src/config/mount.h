// SPDX-License-Identifier: Apache-2.0
// Reads the block `mount`: where the volume is mounted, how, and who waits for it.
#pragma once

#include "config/draft.h"
#include "config/fields.h"

namespace volumecrypt::config {

// Fills its part of the draft, defaults included. After readDevice and readFilesystem, on which its
// defaults and rules depend.
void readMount(Fields &document, Draft &draft);

}  // namespace volumecrypt::config

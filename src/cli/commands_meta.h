// SPDX-License-Identifier: Apache-2.0
// volumecryptctl meta.
#pragma once

#include "cli/command_line.h"

namespace volumecrypt::cli {

// Asks the engine, without the service; needs root.
int runMeta(const Arguments &arguments);

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// The last valid declaration of each volume, for the time in which its document has an error or is
// gone while the volume is still open.
#pragma once

#include <functional>

#include "base/result.h"
#include "config/loader.h"
#include "model/system_paths.h"

namespace volumecrypt::config {

// Whether a volume is in use, so that it must not lose its units and its object.
using IsOpen = std::function<bool(const model::VolumeId &)>;

// Remembers the valid ones of `configuration` below /run/volumecrypt/last-good, and forgets those
// that are neither declared nor open. A file is written only when it differs. The first Io error,
// after all were tried.
base::Status keepLastGood(const model::SystemPaths &paths, const Configuration &configuration,
                          const IsOpen &isOpen);

// Adds what is remembered of open volumes that `configuration` does not have, each with a warning
// among the problems. What cannot be read is left out.
void addLastGood(const model::SystemPaths &paths, const IsOpen &isOpen,
                 Configuration &configuration);

}  // namespace volumecrypt::config

// SPDX-License-Identifier: Apache-2.0
// Keeps key derivations that need much memory from running side by side in several engines.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_store.h"
#include "model/header_view.h"
#include "model/system_paths.h"

namespace volumecrypt::engine {

// Waits for the lock file's flock when the work needs more than 64 MiB; otherwise, and when there
// is no place for a lock file, returns an invalid descriptor at once: memory is a reason to wait,
// never a reason to keep a volume locked.
base::UniqueFd lockForKdf(const model::SystemPaths &paths, std::uint64_t memoryKiB);

// Opening the slot, and enrolling at that cost.
base::UniqueFd lockForSlot(const model::SystemPaths &paths, const model::HeaderView &view,
                           unsigned slot);
base::UniqueFd lockForCost(const model::SystemPaths &paths, luks::KdfCost cost);

}  // namespace volumecrypt::engine

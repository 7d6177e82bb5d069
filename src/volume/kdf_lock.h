// SPDX-License-Identifier: Apache-2.0
// Keeps key derivations that need much memory from running side by side in several engines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "volume/options.h"
#include "volume/reporter.h"

namespace volumecrypt::volume {

// flock on the file `kdf` of paths.lockDir(), which only root can open.
class KdfLock {
  public:
    // A single derivation takes at most a minute (luks::validateKdfCost).
    static constexpr std::chrono::milliseconds kPatience{90000};

    // `patience`: for all waiting of this run together.
    KdfLock(const Options &options, Reporter &reporter,
            std::chrono::milliseconds patience = kPatience)
        : options_(options), reporter_(reporter), left_(patience) {}

    // Waits for the lock when the work needs more than 64 MiB; otherwise, and when there is no
    // place for a lock file, returns an invalid descriptor at once. When the patience is at its
    // end: attach goes on without the lock, since memory is a reason to wait and never one to keep
    // a volume locked at boot; for all others Busy with retry. Cancelled on a signal.
    base::Result<base::UniqueFd> await(std::uint64_t memoryKiB);

  private:
    base::Result<base::UniqueFd> giveUp(const std::string &path);

    const Options &options_;
    Reporter &reporter_;
    std::chrono::milliseconds left_;
    bool warned_ = false;
};

// Whether opening a slot failed before its key was tried: nothing is known of the key then.
bool noKeyWasTried(const base::Error &error);

}  // namespace volumecrypt::volume

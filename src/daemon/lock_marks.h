// SPDX-License-Identifier: Apache-2.0
// Which volumes Lock has locked, for the daemon after this one: a file for each in a folder below
// /run, which a reboot empties.
#pragma once

#include <utility>

#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class LockMarks {
  public:
    explicit LockMarks(model::SystemPaths paths) : paths_(std::move(paths)) {}

    // Failures are logged: then it holds for as long as the daemon runs.
    void set(Volume &volume) const;
    void clear(Volume &volume) const;
    // After the configuration was read: what was locked is known to be so, and what has left is
    // forgotten.
    void recall(const VolumeTable &volumes) const;

  private:
    model::SystemPaths paths_;
};

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Which volumes Lock has locked, for the daemon after this one: a file for each in a folder below
// /run, which a reboot empties.
#pragma once

#include <string>

#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class LockMarks {
  public:
    explicit LockMarks(const model::SystemPaths &paths)
        : folder_(paths.below("/run/volumecrypt/locked")) {}

    // Failures are logged: then it holds for as long as the daemon runs.
    void set(Volume &volume) const;
    void clear(Volume &volume) const;
    // After the configuration was read: what was locked is known to be so, and what has left is
    // forgotten.
    void recall(const VolumeTable &volumes) const;

  private:
    [[nodiscard]] std::string path(const model::VolumeId &id) const {
        return folder_ + "/" + id.text();
    }

    std::string folder_;
};

}  // namespace volumecrypt::daemon

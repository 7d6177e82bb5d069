// SPDX-License-Identifier: Apache-2.0
// Keeps what is said of mounts true: volumes are mounted and unmounted by others, without us.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "daemon/event_loop.h"
#include "daemon/systemd_manager.h"
#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class MountWatch {
  public:
    MountWatch(EventLoop &loop, VolumeTable &volumes, UnitStates &units, model::SystemPaths paths);

    // From now on every change of the table of mounts is noticed.
    void start();
    // The mounts in a status that is about to be published.
    void fill(const Volume &volume, VolumeStatus &status);

  private:
    struct Unit {
        std::string name;
        std::string state;
    };

    // The unit that mounts the volume, followed from now on.
    const Unit &unitOf(const Volume &volume);
    void refresh(Volume &volume);

    VolumeTable &volumes_;
    UnitStates &units_;
    model::SystemPaths paths_;
    std::map<std::string, Unit> followed_;  // by volume
    Debounce changed_;
    EventLoop &loop_;
    base::UniqueFd mounts_;
    EventLoop::Source source_;
};

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Reads the configuration into the volume table: at start, on Reload and before an Apply.
#pragma once

#include "daemon/authorized.h"
#include "daemon/inspector.h"
#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class Configurator {
  public:
    Configurator(VolumeTable &volumes, Inspector &inspector, model::SystemPaths paths)
        : volumes_(volumes), inspector_(inspector), paths_(std::move(paths)) {}

    void reload(const Authorized<action::Reload> &proof);
    // For the daemon's own needs: nobody asked.
    void load();

  private:
    VolumeTable &volumes_;
    Inspector &inspector_;
    model::SystemPaths paths_;
};

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Reads the configuration into the volume table: at start, on Reload and before an Apply.
#pragma once

#include <functional>

#include "daemon/authorized.h"
#include "daemon/event_loop.h"
#include "daemon/inspector.h"
#include "daemon/lock_marks.h"
#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class Configurator {
  public:
    using Then = std::function<void()>;

    Configurator(EventLoop &loop, VolumeTable &volumes, Inspector &inspector,
                 model::SystemPaths paths)
        : loop_(loop),
          volumes_(volumes),
          inspector_(inspector),
          paths_(std::move(paths)),
          marks_(paths_) {}

    // `then` is called when the state of every volume is known.
    void reload(const Authorized<action::Reload> &proof, Then then);

    // For the daemon's own needs, which nobody asked for.
    void read();
    // The same for who goes by the whole of it. InvalidConfig when it has errors.
    base::Status readWhole();
    // Looks at every volume. One that takes long is not waited for: it is published as `failed`
    // until it is known better.
    void inspectAll(Then then);

  private:
    EventLoop &loop_;
    VolumeTable &volumes_;
    Inspector &inspector_;
    model::SystemPaths paths_;
    LockMarks marks_;
};

}  // namespace volumecrypt::daemon

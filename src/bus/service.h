// SPDX-License-Identifier: Apache-2.0
// The whole daemon, wired together.
#pragma once

#include <memory>

#include "base/result.h"
#include "bus/command_line.h"
#include "daemon/event_loop.h"

namespace volumecrypt::bus {

class Service {
  public:
    // Connects to the bus and publishes all objects, and takes the name as soon as the volumes'
    // states are known; ends the loop when another daemon has it. Io when there is no bus.
    static base::Result<std::unique_ptr<Service>> start(daemon::EventLoop &loop,
                                                        const DaemonOptions &options);
    ~Service();
    Service(const Service &) = delete;
    Service &operator=(const Service &) = delete;
    Service(Service &&) = delete;
    Service &operator=(Service &&) = delete;

  private:
    struct Parts;
    explicit Service(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace volumecrypt::bus

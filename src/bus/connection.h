// SPDX-License-Identifier: Apache-2.0
// The system bus on the daemon's event loop.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "bus/sdbus.h"
#include "daemon/event_loop.h"

namespace volumecrypt::bus {

// sdbus-c++ leaves the loop to us: its descriptor is watched, its deadline is asked for before
// each wait, and its messages are handled a few at a time so that nothing else starves. The loop
// ends when the bus does.
class BusConnection {
  public:
    static base::Result<std::unique_ptr<BusConnection>> open(daemon::EventLoop &loop);

    [[nodiscard]] sdbus::IConnection &bus() { return *connection_; }
    // From then on others find us: only once all objects are there.
    base::Status requestName(const std::string &name);

  private:
    BusConnection(daemon::EventLoop &loop, std::unique_ptr<sdbus::IConnection> connection);
    void prepare();
    void dispatch();

    daemon::EventLoop &loop_;
    std::unique_ptr<sdbus::IConnection> connection_;
    std::uint64_t deadline_ = kNever;
    daemon::EventLoop::Source io_;
    daemon::EventLoop::Source timer_;
};

}  // namespace volumecrypt::bus

// SPDX-License-Identifier: Apache-2.0
// Answers that can wait.
#pragma once

#include <deque>

#include <systemd/sd-bus.h>

#include "base/scope_exit.h"
#include "daemon/event_loop.h"

namespace volumecrypt::bus {

// The bus takes our messages one after the other, a little in each of its turns: refusals by the
// thousand would be in front of the next answer that somebody waits for. They go one by one, when
// it has taken all else. Who waits for many of them gets no further calls through the bus.
class BusRefusals {
  public:
    BusRefusals(daemon::EventLoop &loop, sd_bus *bus) : loop_(loop), bus_(bus) {}

    void add(sd_bus_message *call, const char *name, const char *text);

  private:
    void send();
    [[nodiscard]] bool busTookAll() const;

    daemon::EventLoop &loop_;
    sd_bus *bus_;
    // Without the calls, and so without their descriptors.
    std::deque<base::CHandle<sd_bus_message, sd_bus_message_unref>> waiting_;
    daemon::EventLoop::Source timer_;
};

}  // namespace volumecrypt::bus

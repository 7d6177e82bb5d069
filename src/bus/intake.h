// SPDX-License-Identifier: Apache-2.0
// What of the bus comes in at all.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <systemd/sd-bus.h>

#include "base/scope_exit.h"
#include "bus/callers.h"
#include "bus/refusals.h"
#include "bus/sdbus.h"
#include "daemon/call_share.h"
#include "daemon/event_loop.h"

namespace volumecrypt::bus {

// Sees every message first. Calls that are larger than any of ours, and those of a user who has
// called too often, are answered with LimitsExceeded before anything is built from them. Signals
// that somebody sent to us alone are dropped: sd-bus takes them for those of systemd or of the bus,
// which are for everybody.
class BusIntake {
  public:
    BusIntake(daemon::EventLoop &loop, sdbus::IConnection &bus, BusCallers &callers);

  private:
    static int filter(sd_bus_message *message, void *self, sd_bus_error *error);
    bool letsIn(sd_bus_message *call);
    bool withinShare(sd_bus_message *call);
    bool strangerWithinShare(const std::string &name, double cost);

    BusCallers &callers_;
    daemon::CallShare share_;
    // What was let in of connections whose user is not known yet.
    std::map<std::string, double> strangers_;
    BusRefusals refusals_;
    base::CHandle<sd_bus_slot, sd_bus_slot_unref> filter_;
};

}  // namespace volumecrypt::bus

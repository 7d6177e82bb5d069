// SPDX-License-Identifier: Apache-2.0
// The states of units by the properties of their objects.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "bus/sdbus.h"
#include "daemon/systemd_manager.h"

namespace volumecrypt::bus {

// Systemd sends signals to those who subscribed: see BusSystemd.
class BusUnitStates : public daemon::UnitStates {
  public:
    explicit BusUnitStates(sdbus::IConnection &bus) : bus_(bus) {}

    void follow(const std::string &unit, Changed changed) override;
    void leave(const std::string &unit) override { units_.erase(unit); }

  private:
    sdbus::IConnection &bus_;
    std::map<std::string, std::unique_ptr<sdbus::IProxy>> units_;
};

}  // namespace volumecrypt::bus

// SPDX-License-Identifier: Apache-2.0
// org.freedesktop.systemd1: units, their jobs and their ends.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "bus/sdbus.h"
#include "bus/values.h"
#include "daemon/systemd_manager.h"

namespace volumecrypt::bus {

class BusSystemd : public daemon::SystemdManager {
  public:
    using Property = sdbus::Struct<std::string, sdbus::Variant>;

    explicit BusSystemd(sdbus::IConnection &bus);

    void startUnit(const std::string &unit, daemon::Done done) override;
    void stopUnit(const std::string &unit, daemon::Done done) override;
    void reloadUnit(const std::string &unit, daemon::Done done) override;
    void resetFailed(const std::string &unit, daemon::Done done) override;
    void reload(daemon::Done done) override;

    // For transient units. `done` is called once systemd has taken the unit, long before it ends.
    void startTransient(const std::string &unit, const std::vector<Property> &properties,
                        daemon::Done done);
    // Calls `ended` once, when `unit` has ended or is not there; survives Reload.
    void whenEnded(const std::string &unit, std::function<void()> ended);
    void forget(const std::string &unit) { ends_.erase(unit); }
    // Whether it runs, or is about to; asks systemd.
    void isRunning(const std::string &unit, std::function<void(bool)> answer);

  private:
    void changeUnit(const char *method, const std::string &unit, daemon::Done done);
    void jobRemoved(const std::string &path, const std::string &unit, const std::string &result);
    void unitEnded(const std::string &unit);

    std::unique_ptr<sdbus::IProxy> manager_;
    struct Waiting {
        std::string unit;
        daemon::Done done;
    };
    std::map<std::string, Waiting> jobs_;  // by the path of systemd's job
    std::map<std::string, std::function<void()>> ends_;
};

}  // namespace volumecrypt::bus

// SPDX-License-Identifier: Apache-2.0
// org.example.VolumeCrypt.Manager, and the ObjectManager of all objects.
#pragma once

#include <string>
#include <vector>

#include "bus/gate.h"
#include "daemon/use_cases.h"
#include "manager-adaptor.h"

namespace volumecrypt::bus {

class BusManager final : public sdbus::AdaptorInterfaces<sdbus::ObjectManager_adaptor,
                                                         org::example::VolumeCrypt::Manager_adaptor,
                                                         sdbus::Properties_adaptor> {
  public:
    BusManager(sdbus::IConnection &bus, BusGate &gate, daemon::UseCases &use);
    virtual ~BusManager();
    BusManager(const BusManager &) = delete;
    BusManager &operator=(const BusManager &) = delete;
    BusManager(BusManager &&) = delete;
    BusManager &operator=(BusManager &&) = delete;

    void configErrorsChanged();

  private:
    using Adaptor = org::example::VolumeCrypt::Manager_adaptor;
    using ConfigError =
        sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>;
    using VolumeSteps = sdbus::Struct<std::string, StepMaps>;

    sdbus::ObjectPath GetVolume(const std::string &id) override;
    std::vector<sdbus::ObjectPath> ListJobs() override;
    void Plan(sdbus::Result<std::vector<VolumeSteps>> &&result) override;
    void Reload(sdbus::Result<> &&result, Options options) override;
    void Apply(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override;
    std::string Version() override;
    std::vector<ConfigError> ConfigErrors() override;
    std::vector<ConfigError> ConfigWarnings() override;
    bool TpmPresent() override { return use_.tpmPresent(); }

    [[nodiscard]] std::vector<ConfigError> problems(config::Level level) const;

    BusGate &gate_;
    daemon::UseCases &use_;
};

}  // namespace volumecrypt::bus

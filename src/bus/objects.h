// SPDX-License-Identifier: Apache-2.0
// Keeps one bus object for each volume and job.
#pragma once

#include <map>
#include <memory>

#include "bus/gate.h"
#include "bus/job.h"
#include "bus/manager.h"
#include "bus/volume.h"
#include "daemon/use_cases.h"

namespace volumecrypt::bus {

class BusObjects : public daemon::VolumeObserver, public daemon::JobObserver {
  public:
    BusObjects(sdbus::IConnection &bus, BusGate &gate, daemon::UseCases &use);
    ~BusObjects() override;
    BusObjects(const BusObjects &) = delete;
    BusObjects &operator=(const BusObjects &) = delete;
    BusObjects(BusObjects &&) = delete;
    BusObjects &operator=(BusObjects &&) = delete;

  private:
    void volumeAdded(const daemon::VolumePointer &volume) override;
    void volumeChanged(const daemon::Volume &volume, const daemon::VolumeStatus &before) override;
    void volumeRemoved(const model::VolumeId &id) override;
    void configErrorsChanged() override;
    void jobAdded(const daemon::JobPointer &job) override;
    void jobProgressed(const daemon::Job &job) override;
    void jobFinished(const daemon::Job &job, const daemon::JobOutcome &outcome) override;
    void jobRemoved(std::uint64_t number) override;

    sdbus::IConnection &bus_;
    BusGate &gate_;
    daemon::UseCases &use_;
    BusManager manager_;
    std::map<model::VolumeId, std::unique_ptr<BusVolume>> volumes_;
    std::map<std::uint64_t, std::unique_ptr<BusJob>> jobs_;
};

}  // namespace volumecrypt::bus

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

namespace volumecrypt::daemon {

class BusObjects : public VolumeObserver, public JobObserver {
  public:
    BusObjects(sdbus::IConnection &bus, BusGate &gate, UseCases &use);
    ~BusObjects() override;
    BusObjects(const BusObjects &) = delete;
    BusObjects &operator=(const BusObjects &) = delete;
    BusObjects(BusObjects &&) = delete;
    BusObjects &operator=(BusObjects &&) = delete;

  private:
    void volumeAdded(const VolumePointer &volume) override;
    void volumeChanged(const Volume &volume, const VolumeStatus &before) override;
    void volumeRemoved(const model::VolumeId &id) override;
    void configErrorsChanged() override;
    void jobAdded(const JobPointer &job) override;
    void jobProgressed(const Job &job) override;
    void jobFinished(const Job &job, const JobOutcome &outcome) override;
    void jobRemoved(std::uint64_t number) override;

    sdbus::IConnection &bus_;
    BusGate &gate_;
    UseCases &use_;
    BusManager manager_;
    std::map<model::VolumeId, std::unique_ptr<BusVolume>> volumes_;
    std::map<std::uint64_t, std::unique_ptr<BusJob>> jobs_;
};

}  // namespace volumecrypt::daemon

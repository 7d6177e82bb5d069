// SPDX-License-Identifier: Apache-2.0
// Adds and removes bus objects as volumes and jobs come and go.
#include "bus/objects.h"

namespace volumecrypt::bus {

BusObjects::BusObjects(sdbus::IConnection &bus, BusGate &gate, daemon::UseCases &use)
    : bus_(bus), gate_(gate), use_(use), manager_(bus, gate, use) {
    use_.volumes.observe(this);
    use_.jobs.observe(this);
}

BusObjects::~BusObjects() {
    use_.volumes.observe(nullptr);
    use_.jobs.observe(nullptr);
}

void BusObjects::volumeAdded(const daemon::VolumePointer &volume) {
    volumes_[volume->id()] = std::make_unique<BusVolume>(bus_, gate_, use_, volume);
}

void BusObjects::volumeChanged(const daemon::Volume &volume, const daemon::VolumeStatus &before) {
    if (const auto found = volumes_.find(volume.id()); found != volumes_.end())
        found->second->changed(before);
}

void BusObjects::volumeRemoved(const model::VolumeId &id) {
    volumes_.erase(id);
}

void BusObjects::configErrorsChanged() {
    manager_.configErrorsChanged();
}

void BusObjects::jobAdded(const daemon::JobPointer &job) {
    jobs_[job->record().number] = std::make_unique<BusJob>(bus_, gate_, job);
}

void BusObjects::jobProgressed(const daemon::Job &job) {
    if (const auto found = jobs_.find(job.record().number); found != jobs_.end())
        found->second->progressed();
}

void BusObjects::jobFinished(const daemon::Job &job, const daemon::JobOutcome &outcome) {
    if (const auto found = jobs_.find(job.record().number); found != jobs_.end())
        found->second->finished(outcome);
}

void BusObjects::jobRemoved(std::uint64_t number) {
    jobs_.erase(number);
}

}  // namespace volumecrypt::bus

// SPDX-License-Identifier: Apache-2.0
// org.example.VolumeCrypt.Job of one job.
#pragma once

#include <string>
#include <vector>

#include "bus/gate.h"
#include "daemon/job_table.h"
#include "job-adaptor.h"

namespace volumecrypt::bus {

class BusJob final
    : public sdbus::AdaptorInterfaces<org::example::VolumeCrypt::Job_adaptor,
                                      sdbus::Properties_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    BusJob(sdbus::IConnection &bus, BusGate &gate, daemon::JobPointer job);
    virtual ~BusJob();
    BusJob(const BusJob &) = delete;
    BusJob &operator=(const BusJob &) = delete;
    BusJob(BusJob &&) = delete;
    BusJob &operator=(BusJob &&) = delete;

    void progressed();
    void finished(const daemon::JobOutcome &outcome);

  private:
    using Adaptor = org::example::VolumeCrypt::Job_adaptor;

    using Result = sdbus::Struct<std::string, std::string, std::string>;

    void Cancel(sdbus::Result<> &&result, Options options) override;
    std::string Operation() override { return job_->record().operation; }
    sdbus::ObjectPath Volume() override;
    double Progress() override { return job_->progress(); }
    std::uint64_t BytesDone() override { return job_->bytesDone(); }
    std::uint64_t BytesTotal() override { return job_->bytesTotal(); }
    std::uint64_t Rate() override { return job_->rate(); }
    std::uint64_t SecondsLeft() override { return job_->secondsLeft(); }
    std::uint64_t StartedAt() override { return job_->record().startedAt; }
    std::uint32_t StartedByUid() override { return job_->record().uid; }
    std::string State() override;
    std::uint64_t FinishedAt() override { return job_->finishedAt(); }
    std::string Error() override;
    std::string Message() override;

    std::vector<Result> Results() override;

    BusGate &gate_;
    daemon::JobPointer job_;
};

}  // namespace volumecrypt::bus

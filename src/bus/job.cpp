// SPDX-License-Identifier: Apache-2.0
// Job object: properties, Cancel, Finished.
#include "bus/job.h"

#include <utility>

#include "bus/options.h"
#include "bus/text.h"
#include "daemon/volume_table.h"

namespace volumecrypt::bus {

BusJob::BusJob(sdbus::IConnection &bus, BusGate &gate, daemon::JobPointer job)
    : AdaptorInterfaces(bus, jobPath(job->record().number)), gate_(gate), job_(std::move(job)) {
    registerAdaptor();
    emitInterfacesAddedSignal();
}

BusJob::~BusJob() {
    daemon::guarded([this] { emitInterfacesRemovedSignal(); });
    unregisterAdaptor();
}

sdbus::ObjectPath BusJob::Volume() {
    const auto &id = job_->record().volume;
    return id.empty() ? sdbus::ObjectPath("/") : volumePath(id);
}

std::vector<BusJob::Result> BusJob::Results() {
    std::vector<Result> results;
    for (const auto &result : job_->results())
        results.emplace_back(result.volume, result.action, busText(result.text));
    return results;
}

std::string BusJob::State() {
    if (!job_->outcome()) return "running";
    return job_->outcome()->has_value() ? "succeeded" : "failed";
}

std::string BusJob::Error() {
    const auto &outcome = job_->outcome();
    return outcome && !*outcome ? errorBusName(outcome->error().code) : "";
}

std::string BusJob::Message() {
    const auto &outcome = job_->outcome();
    if (!outcome) return "";
    return busText(*outcome ? **outcome : daemon::fullText(outcome->error()));
}

void BusJob::progressed() {
    daemon::guarded([this] {
        emitPropertiesChangedSignal(
            Adaptor::INTERFACE_NAME,
            properties({"Progress", "BytesDone", "BytesTotal", "Rate", "SecondsLeft"}));
    });
}

void BusJob::finished(const daemon::JobOutcome &outcome) {
    daemon::guarded([&] {
        emitPropertiesChangedSignal(
            Adaptor::INTERFACE_NAME,
            properties({"Progress", "State", "FinishedAt", "Error", "Message"}));
        if (outcome)
            emitFinished(true, "", busText(*outcome));
        else
            emitFinished(false, errorBusName(outcome.error().code),
                         busText(daemon::fullText(outcome.error())));
    });
}

void BusJob::Cancel(sdbus::Result<> &&result, Options options) {
    answering([&] {
        checkOptions(options, {});
        const Reply<> reply(std::move(result));
        gate_.pass<daemon::action::ManageJobs>(
            getObject(), reply, {.volume = job_->record().volume, .operation = "cancel"},
            [reply, job = job_](const daemon::Authorized<daemon::action::ManageJobs> &proof) {
                base::log(base::Severity::Notice,
                          "Cancelling job " + std::to_string(job->record().number),
                          {{"OPERATION", "cancel"},
                           {"JOB", std::to_string(job->record().number)},
                           {"VOLUME", job->record().volume},
                           {"CALLER_UID", std::to_string(proof.caller().uid)}});
                job->cancel();
                reply.succeed();
            });
    });
}

}  // namespace volumecrypt::bus

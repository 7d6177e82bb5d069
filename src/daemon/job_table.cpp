// SPDX-License-Identifier: Apache-2.0
// The life of a job: created, progressing, finished, and gone a minute later.
#include "daemon/job_table.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/journal.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::string_view kSaid = "failed";
constexpr std::chrono::seconds kRateWindow{30};
constexpr std::size_t kFewestSamples = 2;
constexpr std::size_t kMostSamples = 256;

std::uint64_t microsecondsNow() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

// The catalog entry that explains a successful operation; empty when there is none.
std::string_view messageIdFor(const std::string &operation) {
    if (operation == "unlock" || operation == "attach") return base::message_id::kVolumeUnlocked;
    if (operation == "lock" || operation == "detach") return base::message_id::kVolumeLocked;
    if (operation == "format") return base::message_id::kVolumeFormatted;
    if (operation == "sync" || operation == "add-key" || operation == "remove-key" ||
        operation == "rotate")
        return base::message_id::kSlotChanged;
    return {};
}

// Of the failures of several volumes, those that are in the journal already are not told again.
std::string unsaid(std::string text, const std::set<std::string> &logged) {
    for (const auto &message : logged) {
        if (message.empty()) continue;
        for (auto at = text.find(message); at != std::string::npos;
             at = text.find(message, at + kSaid.size()))
            text.replace(at, message.size(), kSaid);
    }
    return text;
}

}  // namespace

std::uint64_t Job::secondsLeft() const {
    if (finished() || rate_ == 0 || total_ <= done_) return 0;
    return std::max<std::uint64_t>(1, (total_ - done_) / rate_);
}

double Job::progress() const {
    if (outcome_ && outcome_->has_value()) return 1.0;
    if (total_ == 0) return 0.0;
    return std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
}

void Job::cancel() {
    if (finished()) return;
    cancelled_ = true;
    if (canceller_) canceller_();
}

JobPointer JobTable::create(const std::string &operation, const std::string &volume,
                            std::uint32_t uid) {
    JobRecord record{.number = store_.takeNumber(),
                     .operation = operation,
                     .volume = volume,
                     .uid = uid,
                     .startedAt = microsecondsNow(),
                     .handle = {}};
    store_.save(record);
    return add(std::move(record));
}

JobPointer JobTable::restore(const JobRecord &record) {
    return add(record);
}

JobPointer JobTable::add(JobRecord record) {
    auto job = std::make_shared<Job>();
    job->record_ = std::move(record);
    jobs_[job->record_.number] = job;
    if (observer_ != nullptr) observer_->jobAdded(job);
    return job;
}

void JobTable::setHandle(Job &job, const EngineHandle &handle) {
    job.record_.handle = handle;
    store_.save(job.record_);
}

void JobTable::setProgress(Job &job, const EngineProgress &progress) {
    if (job.finished()) return;
    job.done_ = progress.done;
    job.total_ = progress.total;
    const auto now = std::chrono::steady_clock::now();
    auto &samples = job.samples_;
    // What was done once more, or less than before, says nothing of how fast it is.
    if (!samples.empty() && progress.done < samples.back().done) samples.clear();
    samples.push_back({now, progress.done});
    while (samples.size() > kFewestSamples &&
           (now - samples.front().when > kRateWindow || samples.size() > kMostSamples))
        samples.pop_front();
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - samples.front().when).count();
    if (milliseconds > 0)
        job.rate_ = (progress.done - samples.front().done) * 1000 /
                    static_cast<std::uint64_t>(milliseconds);
    if (observer_ != nullptr) observer_->jobProgressed(job);
}

void JobTable::log(const Job &job, const JobOutcome &outcome) {
    const auto &record = job.record_;
    const auto subject = record.volume.empty() ? std::string("all volumes") : record.volume;
    base::Fields fields{{"VOLUME", record.volume},
                        {"OPERATION", record.operation},
                        {"JOB", std::to_string(record.number)},
                        {"CALLER_UID", std::to_string(record.uid)}};
    const auto head = subject + ": " + record.operation + " for uid " + std::to_string(record.uid);
    if (outcome) {
        if (const auto id = messageIdFor(record.operation); !id.empty())
            fields.emplace_back("MESSAGE_ID", id);
        return base::log(base::Severity::Notice, head + ": " + *outcome, fields);
    }
    const auto &error = outcome.error();
    if (job.isLogged(error)) return;
    fields.emplace_back("MESSAGE_ID", base::message_id::kOperationFailed);
    fields.emplace_back("CODE", base::errorName(error.code));
    if (error.slot) fields.emplace_back("SLOT", std::to_string(*error.slot));
    base::log(base::Severity::Error, head + " failed: " + unsaid(error.message, job.logged_),
              fields);
}

void JobTable::finish(Job &job, const JobOutcome &outcome) {
    if (job.finished()) return;
    job.outcome_ = outcome;
    job.finishedAt_ = microsecondsNow();
    job.canceller_ = {};
    const auto number = job.record_.number;
    store_.remove(number);
    log(job, outcome);
    if (observer_ != nullptr) observer_->jobFinished(job, outcome);
    job.removal_ = loop_.after(linger_, [this, number] {
        const auto keep = jobs_.extract(number);  // its timer is what runs now
        if (observer_ != nullptr) observer_->jobRemoved(number);
    });
}

std::vector<std::uint64_t> JobTable::numbers() const {
    std::vector<std::uint64_t> numbers;
    for (const auto &[number, job] : jobs_) numbers.push_back(number);
    return numbers;
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// The jobs: what runs, how far it is, how it ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "daemon/engine_message.h"
#include "daemon/event_loop.h"
#include "daemon/job_store.h"

namespace volumecrypt::daemon {

// How a job ended: a sentence on what was done, or the error.
using JobOutcome = base::Result<std::string>;

// What a job over several volumes did to one of them, in the words of plan.
struct JobResult {
    std::string volume;  // empty: of none in particular
    std::string action;  // that of a step of plan, keys for steps on slots, fail or warn
    std::string text;    // "MESSAGE", or "MESSAGE\nHINT" of fail

    friend bool operator==(const JobResult &, const JobResult &) = default;
};

class Job {
  public:
    [[nodiscard]] const JobRecord &record() const { return record_; }
    [[nodiscard]] std::uint64_t bytesDone() const { return done_; }
    [[nodiscard]] std::uint64_t bytesTotal() const { return total_; }
    // Bytes per second of late: a job that goes on where it was has done much before.
    [[nodiscard]] std::uint64_t rate() const { return rate_; }
    [[nodiscard]] std::uint64_t secondsLeft() const;  // at that rate; 0: not known, or none
    [[nodiscard]] double progress() const;            // 0 to 1
    [[nodiscard]] bool finished() const { return outcome_.has_value(); }
    // Nothing as long as it runs.
    [[nodiscard]] const std::optional<JobOutcome> &outcome() const { return outcome_; }
    // Microseconds since the epoch; 0 as long as it runs.
    [[nodiscard]] std::uint64_t finishedAt() const { return finishedAt_; }

    void addResult(JobResult result) { results_.push_back(std::move(result)); }
    [[nodiscard]] const std::vector<JobResult> &results() const { return results_; }

    // Of the service's own accord: nobody has to be named in the journal.
    void setUncalled() { called_ = false; }
    [[nodiscard]] bool isCalled() const { return called_; }
    // The engine that met with this error has logged it: it is not logged again with the job.
    void noteLogged(const base::Error &error) { logged_.insert(error.message); }
    [[nodiscard]] bool isLogged(const base::Error &error) const {
        return logged_.contains(error.message);
    }
    // What cancel does while the job runs.
    void onCancel(std::function<void()> canceller) { canceller_ = std::move(canceller); }
    void cancel();
    [[nodiscard]] bool cancelled() const { return cancelled_; }

  private:
    friend class JobTable;
    struct Sample {
        std::chrono::steady_clock::time_point when;
        std::uint64_t done;
    };
    JobRecord record_;
    std::deque<Sample> samples_;  // of the last half minute
    std::uint64_t done_ = 0;
    std::uint64_t total_ = 0;
    std::uint64_t rate_ = 0;
    std::uint64_t finishedAt_ = 0;
    std::optional<JobOutcome> outcome_;
    bool called_ = true;
    bool cancelled_ = false;
    std::function<void()> canceller_;
    std::vector<JobResult> results_;
    std::set<std::string> logged_;  // messages
    EventLoop::Source removal_;
};

using JobPointer = std::shared_ptr<Job>;

class JobObserver {
  public:
    JobObserver() = default;
    virtual ~JobObserver() = default;
    JobObserver(const JobObserver &) = delete;
    JobObserver &operator=(const JobObserver &) = delete;
    JobObserver(JobObserver &&) = delete;
    JobObserver &operator=(JobObserver &&) = delete;
    virtual void jobAdded(const JobPointer &job) = 0;
    virtual void jobProgressed(const Job &job) = 0;
    virtual void jobFinished(const Job &job, const JobOutcome &outcome) = 0;
    virtual void jobRemoved(std::uint64_t number) = 0;
};

class JobTable {
  public:
    // Finished jobs stay for `linger`.
    JobTable(EventLoop &loop, JobStore &store, std::chrono::milliseconds linger)
        : loop_(loop), store_(store), linger_(linger) {}

    void observe(JobObserver *observer) { observer_ = observer; }

    JobPointer create(const std::string &operation, const std::string &volume, std::uint32_t uid);
    // A job that an earlier daemon began.
    JobPointer restore(const JobRecord &record);
    void setHandle(Job &job, const EngineHandle &handle);
    void setProgress(Job &job, const EngineProgress &progress);
    void finish(Job &job, const JobOutcome &outcome);
    [[nodiscard]] std::vector<std::uint64_t> numbers() const;

  private:
    JobPointer add(JobRecord record);
    static void log(const Job &job, const JobOutcome &outcome);

    EventLoop &loop_;
    JobStore &store_;
    std::chrono::milliseconds linger_;
    std::map<std::uint64_t, JobPointer> jobs_;
    JobObserver *observer_ = nullptr;
};

}  // namespace volumecrypt::daemon

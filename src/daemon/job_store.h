// SPDX-License-Identifier: Apache-2.0
// What must outlive the daemon: the running jobs and their engines' output, in a folder below /run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "daemon/engine_launcher.h"

namespace volumecrypt::daemon {

struct JobRecord {
    std::uint64_t number = 0;
    std::string operation;  // engine verb, or unlock, lock, apply
    std::string volume;     // ID; empty when it concerns several
    std::uint32_t uid = 0;
    std::uint64_t startedAt = 0;  // microseconds since the epoch
    EngineHandle handle;          // empty for jobs that are more than one engine
};

// NUMBER.json holds a record, NUMBER.out what the engine wrote, `next` the next number, so that no
// number is used twice until the machine restarts.
class JobStore {
  public:
    explicit JobStore(std::string folder) : folder_(std::move(folder)) {}

    std::uint64_t takeNumber();
    // Failures are logged: a job runs without a record, it only is not found again later.
    void save(const JobRecord &record);
    void remove(std::uint64_t number);
    // By number. What belongs to no record is removed; a record of a newer version stays, unread.
    std::vector<JobRecord> load();

    // The file that an engine appends its lines to; made anew.
    base::Result<base::UniqueFd> createOutput(std::uint64_t number);
    base::Result<base::UniqueFd> openOutput(std::uint64_t number);

  private:
    [[nodiscard]] std::string path(std::uint64_t number, const char *suffix) const;

    std::string folder_;
    std::uint64_t next_ = 0;
};

}  // namespace volumecrypt::daemon

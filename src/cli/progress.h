// SPDX-License-Identifier: Apache-2.0
// The line that shows how far a job is.
#pragma once

#include <string>

#include "cli/table.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

// "wipe u-data: [########------------] 42%, 1.2 GiB of 3.0 GiB, 120 MiB/s, 15 s left"
std::string progressLine(const JobInfo &job);

// Redraws one line of standard error while it is a terminal, and takes it away at the end.
class ProgressLine {
  public:
    explicit ProgressLine(Style style) : style_(style) {}
    ~ProgressLine();
    ProgressLine(const ProgressLine &) = delete;
    ProgressLine &operator=(const ProgressLine &) = delete;
    ProgressLine(ProgressLine &&) = delete;
    ProgressLine &operator=(ProgressLine &&) = delete;

    void show(const JobInfo &job);

  private:
    Style style_;
    std::string shown_;
};

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// What the showing commands print: tables and blocks on a terminal, stable lines elsewhere
// (described in volumecryptctl(1)).
#pragma once

#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/table.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

std::string renderList(const std::vector<VolumeInfo> &volumes, const Style &style);
std::string renderVolume(const VolumeInfo &volume, const Style &style);
// "FILE:LINE:COLUMN: MESSAGE"
std::string problemText(const ConfigProblem &problem);
std::string renderService(const ServiceInfo &service, const Style &style);
std::string renderSlots(const VolumeInfo &volume, const Style &style);
std::string renderPlans(const std::vector<VolumePlan> &plans, const Style &style);
// A line of what a job did.
std::string renderResult(const JobResult &result, const Style &style);
std::string renderJobs(const std::vector<JobInfo> &jobs, const Style &style);
std::string renderEvent(const Event &event, const Style &style);
// "volumecryptctl: VOLUME: message" and, where there is one, "hint: …".
std::string renderError(const std::string &volume, const base::Error &error, const Style &style);

// ISO 8601 in local time, from microseconds since the epoch; "-" for 0.
std::string localTime(std::uint64_t microseconds);

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// check: what is wrong with the configuration, without the service.
#pragma once

#include "cli/command_line.h"
#include "cli/table.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

int runCheck(const Arguments &arguments);

// The errors and warnings of `service`, one line each to standard error, with --json
// {"type":"problem",…} to standard output.
void showProblems(const Arguments &arguments, const ServiceInfo &service, const Style &style);

}  // namespace volumecrypt::cli

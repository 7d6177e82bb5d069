// SPDX-License-Identifier: Apache-2.0
// What is wrong with the configuration, a line each.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/table.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

// FILE:LINE:COLUMN: error: MESSAGE, which editors know how to follow.
std::string problemLines(const std::vector<ConfigProblem> &errors,
                         const std::vector<ConfigProblem> &warnings, const Style &style);

// The errors and warnings of `service`, one line each to standard error, with --json
// {"type":"problem",…} to standard output.
void showProblems(const Arguments &arguments, const ServiceInfo &service, const Style &style);

}  // namespace volumecrypt::cli

// SPDX-License-Identifier: Apache-2.0
// The engine, run by the command line itself: for what the service does not do, or where there is
// none. It does its work as root only.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/arguments.h"

namespace volumecrypt::cli {

// The installed one, or that of --engine (tests).
std::string enginePath(const Arguments &arguments);

// Runs `words` and gives back its last line, or the error that it says. NotAuthorized for whoever
// is not root, unless --engine names another one.
base::Result<nlohmann::json> runEngine(const Arguments &arguments, std::vector<std::string> words,
                                       const base::UniqueFd &secret = {});

}  // namespace volumecrypt::cli

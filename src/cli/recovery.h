// SPDX-License-Identifier: Apache-2.0
// add-key --recovery and unlock --recovery.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "cli/session.h"

namespace volumecrypt::cli {

// Shows a new recovery key and enrols it once it was typed back; the exit code.
int runAddRecoveryKey(Session &session);

// Asks for the recovery key of a volume until what was typed is one.
base::Result<base::UniqueFd> askRecoveryKey(Terminal &terminal, const std::string &volume);

}  // namespace volumecrypt::cli

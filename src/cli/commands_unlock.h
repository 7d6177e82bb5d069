// SPDX-License-Identifier: Apache-2.0
// unlock: by the service, or by the engine where the machine has no bus yet.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/session.h"

namespace volumecrypt::cli {

// Each returns the exit code.
int runUnlock(Session &session);
// In the emergency shell there is no bus. Opens the volume and leaves mounting to systemd.
int runUnlockWithoutBus(const Arguments &arguments);

// There is nobody to ask for a passphrase.
base::Error noTerminal();
base::Result<base::UniqueFd> secretFromFile(const std::string &path);

}  // namespace volumecrypt::cli

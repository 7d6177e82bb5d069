// SPDX-License-Identifier: Apache-2.0
// The secrets that a command is given in files.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/session.h"

namespace volumecrypt::cli {

// All of a file, in a memory file; as readSecretFile.
base::Result<base::UniqueFd> secretFromFile(const std::string &path);
// What --secret-file names; invalid without it. Whoever would have to type it is told first when
// the operation is not theirs.
base::Result<base::UniqueFd> givenSecret(Session &session);
// There is nobody to ask for a passphrase.
base::Error noTerminal();

}  // namespace volumecrypt::cli

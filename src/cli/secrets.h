// SPDX-License-Identifier: Apache-2.0
// The secrets that a command is given in files.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/prompt.h"
#include "cli/session.h"

namespace volumecrypt::cli {

// All of a file, in a memory file; as readSecretFile.
base::Result<base::UniqueFd> secretFromFile(const std::string &path);
// What --secret-file names; invalid without it. Whoever would have to type it is told first when
// the operation is not theirs.
base::Result<base::UniqueFd> givenSecret(Session &session);
// Typed by a person, who is asked for the passphrase of this volume.
base::Result<base::UniqueFd> secretFromPerson(Terminal &terminal, const std::string &volume);
// There is nobody to ask for a passphrase.
base::Error noTerminal();

}  // namespace volumecrypt::cli

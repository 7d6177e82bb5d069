// SPDX-License-Identifier: Apache-2.0
// add-key where every declared key was replaced, or none can be had: nothing that the service knows
// opens the volume then, and a passphrase that does is taken from --unlock-file, or asked for.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/session.h"

namespace volumecrypt::cli {

// The slot. `tried` is how AddKey ended with the declared keys alone; `secret` is the new key, a
// memory file.
base::Result<unsigned> addOpening(Session &session, const std::string &kind,
                                  const base::UniqueFd &secret, base::Result<unsigned> tried);

}  // namespace volumecrypt::cli

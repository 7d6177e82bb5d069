// SPDX-License-Identifier: Apache-2.0
// What Apply says where it cannot do what it planned.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/result.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

// Adds the way by a passphrase in a file to a NoUsableKey: the engine's hint is for somebody at a
// terminal.
base::Error withFileHint(base::Error error, const Volume &volume);
// Busy: locking a volume that left the configuration did not work.
base::Error stillMapped();
// Io: `left` are the options that its mount has not, `status` what systemd said.
base::Error notRemounted(const Volume &volume, const std::vector<std::string> &left,
                         const base::Status &status);
// Busy: an apply of one volume would make units anew that others need to be stopped by.
tl::unexpected<base::Error> othersFirst();

}  // namespace volumecrypt::daemon

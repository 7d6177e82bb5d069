// SPDX-License-Identifier: Apache-2.0
// Where a volume may be mounted without hiding what the system needs before.
#pragma once

#include <span>
#include <string_view>

namespace volumecrypt::config {

// Whether a mount at `where`, absolute and normalised, is at, above or below a directory that
// programs use before local-fs.target, or at or above one of `own`, which our units run from. By
// the text alone: the generator runs before /var and others are there, so that links cannot be
// asked; systemd refuses a mount point whose path leads through one.
bool hidesSystem(std::string_view where, std::span<const std::string_view> own);

}  // namespace volumecrypt::config

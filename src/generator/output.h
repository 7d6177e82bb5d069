// SPDX-License-Identifier: Apache-2.0
// Writes generated units into systemd's directory.
#pragma once

#include <string>

#include "base/result.h"
#include "units/unit_file.h"

namespace volumecrypt::generator {

// Makes the parents. Busy when another generator has written a different file or link of this name:
// it is left alone. Io.
base::Status writeUnit(const std::string &directory, const units::UnitFile &file);

}  // namespace volumecrypt::generator

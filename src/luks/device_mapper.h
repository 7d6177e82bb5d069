// SPDX-License-Identifier: Apache-2.0
// Looking at device-mapper devices and removing them, at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace volumecrypt::luks {

struct DmDevice {
    std::string uuid;
    int openCount = 0;
    std::vector<std::string> targets;  // "crypt", …
    std::vector<dev_t> backing;
};

// Empty when there is none of that name; also where there is no device-mapper at all. Keys that a
// table might show are never asked for. Io.
base::Result<std::optional<DmDevice>> findDmDevice(const std::string &name);

// NotFound, Busy when it is open, Io. `deferred`: an open one goes with its last user.
base::Status removeDmDevice(const std::string &name, bool deferred);

}  // namespace volumecrypt::luks

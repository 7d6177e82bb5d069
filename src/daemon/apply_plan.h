// SPDX-License-Identifier: Apache-2.0
// What Apply has to do, from what is declared and what the machine has. A pure function.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/system_view.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

struct ApplyPlan {
    struct Stop {
        model::VolumeId volume;
        std::set<std::string> consumers;  // units to stop first

        friend bool operator==(const Stop &, const Stop &) = default;
    };
    std::vector<Stop> departed;        // no longer declared: to be locked; STATE last
    std::vector<Stop> moved;           // mounted where they no longer belong
    std::vector<VolumePointer> start;  // to be unlocked and mounted; STATE first
    std::vector<VolumePointer> sync;   // whose keys are compared once they are unlocked
    std::vector<std::string> skipped;  // "u-data: stays locked, as it was locked by Lock"
};

ApplyPlan planApply(const std::vector<VolumePointer> &declared, const SystemView &view);

}  // namespace volumecrypt::daemon

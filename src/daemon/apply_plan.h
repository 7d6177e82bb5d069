// SPDX-License-Identifier: Apache-2.0
// What Apply has to do, from what is declared and what the machine has: for Apply, which does it,
// and for Forecast, which tells it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/system_view.h"
#include "daemon/unit_changes.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

struct ApplyPlan {
    struct Stop {
        model::VolumeId volume;
        std::set<std::string> consumers;  // units to stop first
        bool mapped = false;              // it is unlocked

        friend bool operator==(const Stop &, const Stop &) = default;
    };
    struct Left {
        model::VolumeId volume;
        std::string why;
    };
    struct Refused {
        model::VolumeId volume;
        base::Error error;
    };
    std::vector<Stop> departed;        // no longer declared: to be locked; STATE last
    std::vector<Stop> moved;           // mounted where they no longer belong
    std::vector<VolumePointer> start;  // to be unlocked and mounted; STATE first
    std::vector<VolumePointer> sync;   // whose keys are compared once they are unlocked
    std::vector<Left> left;            // on purpose
    std::vector<Refused> refused;      // what stands in the way is known before
    UnitChanges units;                 // only where there is systemd

    // Leaves out what is to be done to other volumes. What is made anew of units is made for all.
    void keepOnly(const model::VolumeId &id);
};

// `systemd`: whether there is one. Without it what was generated for it means nothing.
ApplyPlan planApply(const std::vector<VolumePointer> &declared, const model::SystemPaths &paths,
                    bool systemd);

// A plain file cannot be mapped; only its keys are looked after.
bool isFile(const Volume &volume);
// Its keys are compared now.
bool canSync(const Volume &volume);
// Whether the mount that is declared for it is there; true when none is.
bool isMounted(const Volume &volume, const model::SystemPaths &paths);
// What a change of its units means.
std::string unitsText(const Volume &volume, const UnitChanges &units,
                      const model::SystemPaths &paths);

}  // namespace volumecrypt::daemon

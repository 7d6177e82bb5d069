// SPDX-License-Identifier: Apache-2.0
// What Apply has to do, from what is declared and what the machine has: for Apply, which does it,
// and for Forecast, which tells it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/result.h"
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
    // Its mount lacks options that a remount brings.
    struct Remount {
        VolumePointer volume;
        std::vector<std::string> flags;
    };
    // What becomes of changed units, where nothing else tells it.
    struct Units {
        VolumePointer volume;
        std::string text;
    };
    std::vector<Stop> departed;        // no longer declared: to be locked; STATE last
    std::vector<Stop> moved;           // mounted where they no longer belong
    std::vector<VolumePointer> start;  // to be unlocked and mounted; STATE first
    std::vector<VolumePointer> sync;   // whose keys are compared once they are unlocked
    std::vector<Left> left;            // on purpose
    std::vector<Refused> refused;      // what stands in the way is known before
    // Only where there is systemd:
    UnitChanges changes;
    std::vector<Units> units;
    std::vector<Remount> remount;  // after the units were made anew

    // What is mounted there now, or above, will be no more once the volumes are started.
    [[nodiscard]] bool unmounts(const std::string &where) const;
    // Leaves out what is to be done to other volumes. What is made anew of units is made for all.
    void keepOnly(const model::VolumeId &id);
    bool othersStop = false;  // some of what keepOnly left out was to be stopped
};

// `systemd`: whether there is one. Without it what was generated for it means nothing.
ApplyPlan planApply(const std::vector<VolumePointer> &declared, const model::SystemPaths &paths,
                    bool systemd);

// Lock was called, and since then nobody has unlocked it; what is said of it.
bool isHeld(const Volume &volume);
inline constexpr const char *kHeld = "stays locked, as Lock was called";
// Its keys are compared now.
bool canSync(const Volume &volume);
// Whether the mount that is declared for it is there; true when none is.
bool isMounted(const Volume &volume, const model::SystemPaths &paths);
// What keeps a mount of it from being one, other than that it is not mounted.
std::optional<base::Error> mountObstacle(const Volume &volume, const model::SystemPaths &paths);
// The mount options that it has not as declared, and that a remount changes. Nothing when that
// cannot be told, or is not ours to change.
std::optional<std::vector<std::string>> flagsToRemount(const Volume &volume,
                                                       const model::SystemPaths &paths);
// "nodev,noexec"
std::string joined(const std::vector<std::string> &options);

// What Apply says where it cannot do what it planned.

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

// SPDX-License-Identifier: Apache-2.0
// What the generator would write that is not there yet: the units that systemd knows come from an
// older configuration until its next reload.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "config/loader.h"
#include "daemon/mount_flags.h"
#include "model/system_paths.h"
#include "model/volume_spec.h"

namespace volumecrypt::daemon {

struct UnitChanges {
    // Paths below the generator's directory that are not there, or not the same.
    std::map<model::VolumeId, std::set<std::string>> files;
    // Of the mount units among them that are there: what is not the same.
    std::map<model::VolumeId, MountUnitChange> mounts;
    // Volumes that get no units, and why.
    std::map<model::VolumeId, base::Error> refused;

    [[nodiscard]] bool concern(const model::VolumeId &id) const { return files.contains(id); }
    // The unit that mounts it, or swaps to it, is another one than before.
    [[nodiscard]] bool concernConsumer(const model::VolumeSpec &spec) const;
    // What it mounts is not what is mounted now.
    [[nodiscard]] bool concernContent(const model::VolumeId &id) const;
    // Its mount unit differs in nothing but options that a remount changes.
    [[nodiscard]] bool areMountFlags(const model::VolumeId &id) const;
};

// The configuration as the generator reads it, from the disk.
config::Configuration declaredForUnits(const model::SystemPaths &paths);
UnitChanges unitChanges(const config::Configuration &declared, const model::SystemPaths &paths);
// The volumes that have to be mounted before one can be started: starting its units starts theirs.
std::map<model::VolumeId, std::set<model::VolumeId>> neededBy(
    const config::Configuration &declared);

// Whether the unit that mounts it, or swaps to it, is there; true when it has none.
bool hasConsumerUnit(const model::VolumeSpec &spec, const model::SystemPaths &paths);

}  // namespace volumecrypt::daemon

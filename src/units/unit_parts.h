// SPDX-License-Identifier: Apache-2.0
// The parts of what the generator writes for a volume: its mount or swap unit, links, timers.
#pragma once

#include <string>
#include <vector>

#include "model/volume_spec.h"
#include "units/boot_role.h"
#include "units/unit_file.h"

namespace volumecrypt::units {

// Only for a role with a consumer.
std::string consumerText(const model::VolumeSpec &volume, const BootRole &role);

// The service that checks the file system before it is mounted; empty: there is none to check.
std::string fsckUnit(const model::VolumeSpec &volume, const BootRole &role);

// A check must not begin before the attach is done: a blank device has yet to be formatted, and an
// attach may close again what it opened.
std::string fsckDropIn(const BootRole &role);

// Where META decides, the file system is known by the name alone that attach gives it: systemd's
// own template would wait for a device of that name.
std::string fsckService(const model::VolumeSpec &volume, const BootRole &role,
                        const UnitDirectories &directories);

// What starts the units of a volume, for how long its devices are waited for, and by which names
// udev knows them.

void addLinks(std::vector<UnitFile> &files, const BootRole &role,
              const UnitDirectories &directories);
void addTimeouts(std::vector<UnitFile> &files, const model::VolumeSpec &volume,
                 const BootRole &role);
void addDeviceMarks(std::vector<UnitFile> &files, const model::VolumeSpec &volume,
                    const BootRole &role);

// The drop-ins of volumecrypt-trim@ID.timer and .service, and the link by which the mount starts
// the timer. Nothing for a volume that is not trimmed.
void addTrim(std::vector<UnitFile> &files, const model::VolumeSpec &volume, const BootRole &role,
             const UnitDirectories &directories);

}  // namespace volumecrypt::units

// SPDX-License-Identifier: Apache-2.0
// Whether volumes are mounted, by the kernel's table of mounts. Read from /proc and /sys; neither a
// device nor a mount point is touched, either of which may hang.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/mount_info.h"
#include "daemon/system_view.h"
#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class MountedVolumes {
  public:
    static MountedVolumes read(const model::SystemPaths &paths);

    // Its file system is what is reached at its mount point; with no mount point declared,
    // anywhere. Of a swap volume: it is swapped to, where the kernel tells us that.
    [[nodiscard]] bool contain(const Volume &volume, const VolumeStatus &status) const;

    // The mount that is reached at its mount point, when it is the volume's.
    [[nodiscard]] const base::MountEntry *mountOf(const Volume &volume,
                                                  const VolumeStatus &status) const;
    // The same as the machine has it, not the service in its sandbox, where nothing may be written
    // to. nullptr as well when that cannot be read.
    [[nodiscard]] const base::MountEntry *machineMountOf(const Volume &volume,
                                                         const VolumeStatus &status) const;
    // Why a mount would not help: what else is mounted at its mount point, or above. Empty when
    // nothing is.
    [[nodiscard]] std::string obstacle(const Volume &volume, const VolumeStatus &status) const;
    [[nodiscard]] bool isWriteProtected(const Volume &volume, const VolumeStatus &status) const;
    // Everywhere that it is mounted; a place may be there twice.
    [[nodiscard]] std::vector<std::string> places(const Volume &volume,
                                                  const VolumeStatus &status) const;

  private:
    // Of the device that holds the volume's file system.
    [[nodiscard]] DeviceNames namesOf(const Volume &volume, const VolumeStatus &status) const;

    using Mounts = std::vector<base::MountEntry>;
    [[nodiscard]] const base::MountEntry *reached(const Mounts &mounts, const Volume &volume,
                                                  const VolumeStatus &status) const;

    model::SystemPaths paths_;
    // Of the first process, where its sandbox puts nothing over /home; and our own.
    Mounts machine_;
    Mounts own_;
    std::set<std::string> swaps_;

    explicit MountedVolumes(const model::SystemPaths &paths) : paths_(paths) {}
};

// Volumes that are mounted below another one: systemd unmounts them with it, and mounts none of
// them again by itself.

// The units that mount what lies below the mount point of `volume`, of volumes that are open; the
// upper before the lower.
std::vector<std::string> nestedMountUnits(const Volume &volume,
                                          const std::vector<VolumePointer> &all);

}  // namespace volumecrypt::daemon

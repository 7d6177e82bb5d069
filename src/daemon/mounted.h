// SPDX-License-Identifier: Apache-2.0
// Whether volumes are mounted, by the kernel's table of mounts. Read from /proc and /sys; neither a
// device nor a mount point is touched, either of which may hang.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/mount_info.h"
#include "daemon/volume_table.h"
#include "model/system_paths.h"

namespace volumecrypt::daemon {

class MountedVolumes {
  public:
    static MountedVolumes read(const model::SystemPaths &paths);

    // Its file system is what is reached at its mount point; with no mount point declared,
    // anywhere. Of a swap volume: it is swapped to, where the kernel tells us that.
    [[nodiscard]] bool contain(const Volume &volume, const VolumeStatus &status) const;

  private:
    // What the kernel calls the device that holds the volume's file system.
    struct Names {
        std::string number;  // MAJOR:MINOR; empty when there is no such device
        std::set<std::string> paths;
    };
    [[nodiscard]] Names namesOf(const Volume &volume, const VolumeStatus &status) const;

    model::SystemPaths paths_;
    std::vector<base::MountEntry> mounts_;
    std::set<std::string> swaps_;

    explicit MountedVolumes(const model::SystemPaths &paths) : paths_(paths) {}
};

}  // namespace volumecrypt::daemon

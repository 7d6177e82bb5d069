// SPDX-License-Identifier: Apache-2.0
// Nested mounts, by the mount points of the configuration.
#include <algorithm>
#include <utility>

#include "daemon/mounted.h"

namespace volumecrypt::daemon {

std::vector<std::string> nestedMountUnits(const Volume &volume,
                                          const std::vector<VolumePointer> &all) {
    if (!volume.spec().mount) return {};
    const std::string above = volume.spec().mount->where + "/";
    std::vector<std::pair<std::string, std::string>> nested;  // by mount point
    for (const VolumePointer &other : all) {
        // One that is locked stays so: its mount would unlock it.
        if (!other->spec().mount || !other->isUnlocked()) continue;
        const std::string &where = other->spec().mount->where;
        auto unit = other->spec().consumerUnit();
        const bool isMount = unit.ends_with(".mount");
        if (where.starts_with(above) && isMount) nested.emplace_back(where, std::move(unit));
    }
    std::sort(nested.begin(), nested.end());
    std::vector<std::string> units;
    units.reserve(nested.size());
    for (auto &[where, unit] : nested) units.push_back(std::move(unit));
    return units;
}

}  // namespace volumecrypt::daemon

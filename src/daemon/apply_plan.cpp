// SPDX-License-Identifier: Apache-2.0
// Compares by what is there, not by an older configuration: the daemon may not have seen that.
#include "daemon/apply_plan.h"

#include <algorithm>

#include "base/files.h"
#include "daemon/consumer.h"

namespace volumecrypt::daemon {
namespace {

using model::VolumeState;

bool isState(const model::VolumeId &id) {
    return id.kind() == model::VolumeKind::State;
}

std::vector<ApplyPlan::Stop> departedFrom(const std::set<model::VolumeId> &declared,
                                          const SystemView &view) {
    std::map<model::VolumeId, std::set<std::string>> gone;
    for (const auto *known : {&view.generated, &view.mapped})
        for (const auto &[id, units] : *known)
            if (!declared.contains(id)) gone[id].insert(units.begin(), units.end());
    std::vector<ApplyPlan::Stop> stops;
    stops.reserve(gone.size());
    for (auto &[id, units] : gone)
        stops.push_back(
            {.volume = id, .consumers = std::move(units), .mapped = view.mapped.contains(id)});
    // The keys of others may hang on STATE.
    std::stable_partition(stops.begin(), stops.end(),
                          [](const auto &stop) { return !isState(stop.volume); });
    return stops;
}

// Units that mount or swap to the volume by an older configuration of ours. What an administrator
// mounted is none of them: the generator did not write it.
std::set<std::string> misplaced(const Volume &volume, const SystemView &view) {
    const auto known = view.generated.find(volume.id());
    if (known == view.generated.end()) return {};
    auto units = known->second;
    units.erase(consumerUnit(volume.spec()));
    return units;
}

bool isHeld(const Volume &volume) {
    // Somebody may have opened it since by other means.
    return volume.lockedOnPurpose() && !volume.status().isOpen();
}

// Why one that would be started is left as it is. Starting its units starts those of what it needs
// as well: that would open a volume that was locked by Lock.
std::string whyLeft(const Volume &volume, const std::set<model::VolumeId> &held,
                    const std::set<model::VolumeId> &needs) {
    if (held.contains(volume.id())) return "stays locked, as Lock was called";
    for (const auto &other : needs)
        if (held.contains(other))
            return "is left as it is, since it needs " + other.text() +
                   ", which stays locked, as Lock was called";
    return {};
}

base::Error absentError(const Volume &volume) {
    base::Error error;
    error.code = base::ErrorCode::NotFound;
    error.message = "its device " + volume.spec().device.path + " is not there";
    error.hint =
        "plug it in, or correct `volume.device`; with `volume.unlock: manual` its absence "
        "is no error";
    return error;
}

// False: it is not to be started.
bool sortOut(ApplyPlan &plan, const Volume &volume, const std::string &left) {
    if (volume.spec().unlock != model::UnlockPolicy::Auto || isFile(volume)) return false;
    if (const auto refused = plan.units.refused.find(volume.id());
        refused != plan.units.refused.end()) {
        plan.refused.push_back({volume.id(), refused->second});
        return false;
    }
    if (volume.status().state == VolumeState::Absent) {
        if (volume.spec().device.byLabel)
            plan.left.push_back(
                {volume.id(), "is absent: no device has the GPT label " + volume.id().text()});
        else
            plan.refused.push_back({volume.id(), absentError(volume)});
        return false;
    }
    if (!left.empty()) plan.left.push_back({volume.id(), left});
    return left.empty();
}

}  // namespace

void ApplyPlan::keepOnly(const model::VolumeId &id) {
    const auto isOther = [&id](const auto &entry) { return entry.volume != id; };
    const auto isAnother = [&id](const VolumePointer &volume) { return volume->id() != id; };
    std::erase_if(departed, isOther);
    std::erase_if(moved, isOther);
    std::erase_if(start, isAnother);
    std::erase_if(sync, isAnother);
    std::erase_if(left, isOther);
    std::erase_if(refused, isOther);
}

bool isFile(const Volume &volume) {
    return !volume.spec().device.path.starts_with("/dev/");
}

bool canSync(const Volume &volume) {
    // A plain file is never unlocked, yet has keys. Keys of one that is being reencrypted are not
    // changed.
    return volume.spec().encryption &&
           (volume.status().state == VolumeState::Unlocked ||
            (isFile(volume) && volume.status().state == VolumeState::Locked));
}

bool isMounted(const Volume &volume, const model::SystemPaths &paths) {
    const auto &spec = volume.spec();
    if (spec.filesystem.type == model::FilesystemType::Swap || consumerUnit(spec).empty())
        return true;
    const auto mountinfo = base::readFile(paths.below("/proc/self/mountinfo"));
    return mountinfo && isMountPoint(*mountinfo, spec.mount->where);
}

std::string unitsText(const Volume &volume, const UnitChanges &units,
                      const model::SystemPaths &paths) {
    const bool waits =
        units.concernConsumer(volume.spec()) && volume.spec().mount && isMounted(volume, paths);
    return waits ? "its mount unit is made anew: what changed in it waits until the volume is "
                   "mounted the next time"
                 : "its units are made anew";
}

ApplyPlan planApply(const std::vector<VolumePointer> &declared, const model::SystemPaths &paths,
                    bool systemd) {
    ApplyPlan plan;
    auto view = readSystemView(paths);
    const auto onDisk = declaredForUnits(paths);
    if (systemd)
        plan.units = unitChanges(onDisk, paths);
    else
        view.generated.clear();
    std::set<model::VolumeId> ids;
    std::set<model::VolumeId> held;
    for (const auto &volume : declared) {
        ids.insert(volume->id());
        if (isHeld(*volume)) held.insert(volume->id());
    }
    auto needs = neededBy(onDisk);
    plan.departed = departedFrom(ids, view);
    for (const auto &volume : declared) {
        if (auto units = misplaced(*volume, view); !units.empty())
            plan.moved.push_back({.volume = volume->id(), .consumers = std::move(units)});
        if (volume->spec().encryption) plan.sync.push_back(volume);
        if (sortOut(plan, *volume, whyLeft(*volume, held, needs[volume->id()])))
            plan.start.push_back(volume);
    }
    std::stable_partition(plan.start.begin(), plan.start.end(),
                          [](const auto &volume) { return isState(volume->id()); });
    return plan;
}

}  // namespace volumecrypt::daemon

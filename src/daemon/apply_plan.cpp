// SPDX-License-Identifier: Apache-2.0
// Compares by what is there, not by an older configuration: the daemon may not have seen that.
#include "daemon/apply_plan.h"

#include <algorithm>
#include <string_view>

#include <unistd.h>

#include "daemon/mount_flags.h"
#include "daemon/mounted.h"
#include "model/names.h"

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
    units.erase(volume.spec().consumerUnit());
    return units;
}

// Why one that would be started is left as it is. Starting its units starts those of what it needs
// as well: that would open a volume that was locked by Lock.
std::string whyLeft(const Volume &volume, const std::set<model::VolumeId> &held,
                    const std::set<model::VolumeId> &needs) {
    if (held.contains(volume.id())) return kHeld;
    for (const auto &other : needs)
        if (held.contains(other))
            return "is left as it is, since it needs " + other.text() +
                   ", which stays locked, as Lock was called";
    return {};
}

base::Error absentError(const Volume &volume) {
    return {base::ErrorCode::NotFound, "its device " + volume.spec().device.path + " is not there",
            "Plug it in, or correct `volume.device`; with `volume.unlock: manual` its absence "
            "is no error."};
}

bool hasOption(const std::vector<std::string> &options, std::string_view option) {
    return std::find(options.begin(), options.end(), option) != options.end();
}

// An administrator's own mount unit, or additions to ours, has other options for a reason.
bool isOverridden(const std::string &unit, const model::SystemPaths &paths) {
    for (const char *folder : {"/etc/systemd/system/", "/run/systemd/system/"})
        for (const char *end : {"", ".d"})
            if (::access(paths.below(folder + unit + end).c_str(), F_OK) == 0) return true;
    return false;
}

// True: it is mounted with the options that are declared, or will be.
bool planRemount(ApplyPlan &plan, const VolumePointer &volume, const model::SystemPaths &paths) {
    const auto &id = volume->id();
    const bool moves = std::any_of(plan.moved.begin(), plan.moved.end(),
                                   [&id](const auto &stop) { return stop.volume == id; });
    const bool stops = volume->spec().mount && plan.unmounts(volume->spec().mount->where);
    if (moves || stops || plan.changes.refused.contains(id) || plan.changes.concernContent(id))
        return false;
    auto flags = flagsToRemount(*volume, paths);
    if (!flags) return false;
    if (!flags->empty()) plan.remount.push_back({.volume = volume, .flags = std::move(*flags)});
    return true;
}

void planUnits(ApplyPlan &plan, const VolumePointer &volume, const model::SystemPaths &paths) {
    const auto &changes = plan.changes;
    const bool holds = planRemount(plan, volume, paths) && changes.areMountFlags(volume->id());
    if (!changes.concern(volume->id())) return;
    const bool remounts = !plan.remount.empty() && plan.remount.back().volume == volume;
    if (remounts && holds && changes.files.at(volume->id()).size() == 1) return;
    const bool waits = changes.concernConsumer(volume->spec()) && volume->spec().mount && !holds &&
                       !plan.unmounts(volume->spec().mount->where) && isMounted(*volume, paths);
    plan.units.push_back(
        {.volume = volume,
         .text = waits ? "its mount unit is made anew: what changed in it waits until the volume "
                         "is mounted the next time"
                       : "its units are made anew"});
}

// False: it is not to be started.
bool sortOut(ApplyPlan &plan, const Volume &volume, const std::string &left) {
    if (volume.spec().unlock != model::UnlockPolicy::Auto || volume.spec().isFile()) return false;
    if (const auto refused = plan.changes.refused.find(volume.id());
        refused != plan.changes.refused.end()) {
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
    othersStop = std::any_of(departed.begin(), departed.end(), isOther) ||
                 std::any_of(moved.begin(), moved.end(), isOther);
    const auto isAnother = [&id](const VolumePointer &volume) { return volume->id() != id; };
    std::erase_if(departed, isOther);
    std::erase_if(moved, isOther);
    std::erase_if(start, isAnother);
    std::erase_if(sync, isAnother);
    std::erase_if(left, isOther);
    std::erase_if(refused, isOther);
    std::erase_if(units, [&](const Units &entry) { return isAnother(entry.volume); });
    std::erase_if(remount, [&](const Remount &entry) { return isAnother(entry.volume); });
}

bool isHeld(const Volume &volume) {
    // Somebody may have opened it since by other means.
    return volume.lockedOnPurpose() && !volume.status().isOpen();
}

bool canSync(const Volume &volume) {
    // A plain file is never unlocked, yet has keys. Keys of one that is being reencrypted are not
    // changed.
    return volume.spec().encryption &&
           (model::isOpen(volume.status().state) ||
            (volume.spec().isFile() && volume.status().state == VolumeState::Locked));
}

bool isMounted(const Volume &volume, const model::SystemPaths &paths) {
    return !volume.spec().isMounted() ||
           MountedVolumes::read(paths).contain(volume, volume.status());
}

std::optional<base::Error> mountObstacle(const Volume &volume, const model::SystemPaths &paths) {
    if (!volume.spec().isMounted()) return std::nullopt;
    const auto what = MountedVolumes::read(paths).obstacle(volume, volume.status());
    if (what.empty()) return std::nullopt;
    return base::Error(base::ErrorCode::Busy, "it cannot be mounted: " + what,
                       "Unmount that, or correct `mount.where`; then apply again.");
}

std::optional<std::vector<std::string>> flagsToRemount(const Volume &volume,
                                                       const model::SystemPaths &paths) {
    if (!volume.spec().isMounted() || isOverridden(volume.spec().consumerUnit(), paths))
        return std::nullopt;
    const auto mounted = MountedVolumes::read(paths);
    const auto *mount = mounted.machineMountOf(volume, volume.status());
    if (mount == nullptr) return std::nullopt;
    auto flags = flagsToChange(volume.spec().mount->options, mount->options);
    if (!flags) return std::nullopt;
    // The kernel made it read-only: since it was damaged, or the device cannot be written to.
    const bool damaged = mount->readOnly && !mount->readOnlyHere && !hasOption(*flags, "ro");
    const bool fixed = hasOption(*flags, "rw") && mounted.isWriteProtected(volume, volume.status());
    if (damaged || fixed) return std::nullopt;
    return flags;
}

std::string joined(const std::vector<std::string> &options) {
    std::string text;
    for (const auto &option : options) text += (text.empty() ? "" : ",") + option;
    return text;
}

bool ApplyPlan::unmounts(const std::string &where) const {
    std::set<std::string> stopped;
    for (const auto *stops : {&departed, &moved})
        for (const auto &stop : *stops)
            stopped.insert(stop.consumers.begin(), stop.consumers.end());
    for (auto place = where; !place.empty(); place.erase(place.rfind('/')))
        if (stopped.contains(model::mountUnit(place))) return true;
    return false;
}

ApplyPlan planApply(const std::vector<VolumePointer> &declared, const model::SystemPaths &paths,
                    bool systemd) {
    ApplyPlan plan;
    auto view = readSystemView(paths);
    const auto onDisk = declaredForUnits(paths);
    if (systemd)
        plan.changes = unitChanges(onDisk, paths);
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
    for (const auto &volume : declared)
        if (auto units = misplaced(*volume, view); !units.empty())
            plan.moved.push_back({.volume = volume->id(), .consumers = std::move(units)});
    for (const auto &volume : declared) {
        if (systemd) planUnits(plan, volume, paths);
        if (volume->spec().encryption) plan.sync.push_back(volume);
        if (sortOut(plan, *volume, whyLeft(*volume, held, needs[volume->id()])))
            plan.start.push_back(volume);
    }
    std::stable_partition(plan.start.begin(), plan.start.end(),
                          [](const auto &volume) { return isState(volume->id()); });
    return plan;
}

}  // namespace volumecrypt::daemon

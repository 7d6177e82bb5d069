// SPDX-License-Identifier: Apache-2.0
// Compares by what is there, not by an older configuration: the daemon may not have seen that.
#include "daemon/apply_plan.h"

#include <algorithm>

#include "daemon/consumer.h"

namespace volumecrypt::daemon {
namespace {

using model::VolumeState;

bool isState(const model::VolumeId &id) {
    return id.kind() == model::VolumeKind::State;
}

// A plain file cannot be mapped; only its keys are looked after.
bool isFile(const Volume &volume) {
    return !volume.spec().device.path.starts_with("/dev/");
}

std::vector<ApplyPlan::Stop> departedFrom(const std::set<model::VolumeId> &declared,
                                          const SystemView &view) {
    std::map<model::VolumeId, std::set<std::string>> gone;
    for (const auto *known : {&view.generated, &view.mapped})
        for (const auto &[id, units] : *known)
            if (!declared.contains(id)) gone[id].insert(units.begin(), units.end());
    std::vector<ApplyPlan::Stop> stops;
    stops.reserve(gone.size());
    for (auto &[id, units] : gone) stops.push_back({.volume = id, .consumers = std::move(units)});
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

bool wantsStart(const Volume &volume) {
    return volume.spec().unlock == model::UnlockPolicy::Auto && !isFile(volume) &&
           volume.status().state != VolumeState::Absent;
}

}  // namespace

ApplyPlan planApply(const std::vector<VolumePointer> &declared, const SystemView &view) {
    ApplyPlan plan;
    std::set<model::VolumeId> ids;
    for (const auto &volume : declared) ids.insert(volume->id());
    plan.departed = departedFrom(ids, view);
    for (const auto &volume : declared) {
        if (auto units = misplaced(*volume, view); !units.empty())
            plan.moved.push_back({.volume = volume->id(), .consumers = std::move(units)});
        if (volume->spec().encryption) plan.sync.push_back(volume);
        if (!wantsStart(*volume)) continue;
        if (volume->lockedOnPurpose())
            plan.skipped.push_back(volume->id().text() + ": stays locked, as Lock was called");
        else
            plan.start.push_back(volume);
    }
    std::stable_partition(plan.start.begin(), plan.start.end(),
                          [](const auto &volume) { return isState(volume->id()); });
    return plan;
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// Drop-ins for the timer and the service of a volume's trim.
#include <algorithm>

#include "model/names.h"
#include "units/unit_parts.h"
#include "units/unit_text.h"

namespace volumecrypt::units {
namespace {

using namespace std::chrono_literals;

// The first run after the mount: a machine that is up for hours only is trimmed as well.
constexpr std::chrono::seconds kLongestFirst = 1h;

std::string seconds(std::chrono::seconds time) {
    return std::to_string(time.count()) + "s";
}

std::string timerDropIn(const BootRole &role, std::chrono::seconds interval) {
    UnitText text;
    text.section("Unit").set("BindsTo", role.consumer).set("After", role.consumer);
    // The template's own come first; an empty one takes them away.
    text.section("Timer")
        .set("OnActiveSec", "")
        .set("OnActiveSec", seconds(std::min(interval, kLongestFirst)))
        .set("OnUnitActiveSec", seconds(interval));
    return text.text();
}

std::string serviceDropIn(const model::VolumeSpec &volume, const BootRole &role) {
    UnitText text;
    // Not while it is unmounted; an unmount ends it.
    text.section("Unit")
        .set("Requisite", role.consumer)
        .set("PartOf", role.consumer)
        .set("After", role.consumer);
    text.section("Service").set("Environment", wordValue(volume.mount->where, "WHERE="));
    return text.text();
}

}  // namespace

void addTrim(std::vector<UnitFile> &files, const model::VolumeSpec &volume, const BootRole &role,
             const UnitDirectories &directories) {
    if (!volume.trimInterval || !volume.isMounted()) return;
    const std::string timer = model::trimUnit(volume.id, "timer");
    files.push_back({timer + ".d/50-volume.conf", timerDropIn(role, *volume.trimInterval), {}});
    files.push_back({model::trimUnit(volume.id, "service") + ".d/50-volume.conf",
                     serviceDropIn(volume, role),
                     {}});
    files.push_back(
        {role.consumer + ".wants/" + timer, {}, directories.own + "/volumecrypt-trim@.timer"});
}

}  // namespace volumecrypt::units

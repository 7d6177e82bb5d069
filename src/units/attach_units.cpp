// SPDX-License-Identifier: Apache-2.0
// Drop-ins for the attach and the sync unit of a volume.
#include "units/attach_units.h"

#include <algorithm>
#include <map>
#include <set>

#include "model/key_files.h"
#include "model/names.h"
#include "units/unit_text.h"

namespace volumecrypt::units {
namespace {

using model::KeyReach;
using model::VolumeSpec;

constexpr std::string_view kNetworkOnline = "network-online.target";

// What its keys have to reach.
std::set<KeyReach> reachOf(const VolumeSpec &volume) {
    std::set<KeyReach> reach;
    if (!volume.encryption) return reach;
    for (const model::KeySpec &key : volume.encryption->keys) reach.insert(key.row().reach);
    return reach;
}

// systemd cannot boot without these two, so nothing has to be said about files in them.
bool isAlwaysThere(std::string_view path) {
    return model::isAtOrBelow(path, "/etc") || model::isAtOrBelow(path, "/usr");
}

// WantsMountsFor=, which systemd has since version 256, in words of older ones: every directory on
// the way may be a mount; one that is none costs nothing.
std::set<std::string> mountsOnTheWay(const std::string &path) {
    std::set<std::string> units;
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1))
        units.insert(model::mountUnit(path.substr(0, slash)));
    return units;
}

void addNeeds(UnitText &text, const VolumeSpec &volume, const Relations &relations) {
    std::set<std::string> wanted;
    std::set<std::string> required;
    for (const Need &need : relations.needs(volume)) {
        if (need.strict)
            required.insert(need.path);
        else if (need.path == relations.stateMount())
            wanted.insert(model::mountUnit(need.path));
        else if (!isAlwaysThere(need.path))
            wanted.merge(mountsOnTheWay(need.path));
    }
    for (const std::string &path : required) text.set("RequiresMountsFor", wordValue(path));
    for (const std::string &unit : wanted) text.set("Wants", unit).set("After", unit);
}

void addSource(UnitText &text, const BootRole &role) {
    if (!role.source.empty()) {
        text.set("BindsTo", role.source).set("After", role.source);
        return;
    }
    for (const std::string_view unit :
         {"modprobe@loop.service", "systemd-tmpfiles-setup-dev.service"})
        text.set("Wants", unit).set("After", unit);
}

// STATE holds the salt, and copies of the other volumes' pins; META may be a file.
void addStateAccess(UnitText &text, const VolumeSpec &volume, const Relations &relations) {
    const bool isState = volume.id.kind() == model::VolumeKind::State;
    if (isState && !volume.metaDevice.empty() && !model::isDevicePath(volume.metaDevice))
        text.set("ReadWritePaths", wordValue(volume.metaDevice, "-"));
    if (relations.stateMount().empty() || isState) return;
    text.set("ReadWritePaths", wordValue(relations.stateMount(), "-"));
}

// The templates hide /home, /root and /run/user. Of them a volume sees what it names and nothing
// else; what is not there is the engine's to complain of, not a unit that cannot start.
void addHomeAccess(UnitText &text, const VolumeSpec &volume, const Relations &relations) {
    std::map<std::string, std::string_view> binds;
    for (const Need &need : relations.needs(volume))
        if (model::isBelowHome(need.path))
            binds.emplace(need.path, need.isKey ? "BindReadOnlyPaths" : "BindPaths");
    if (binds.empty()) return;
    text.set("ProtectHome", "tmpfs");
    for (const auto &[path, directive] : binds) text.set(directive, bindValue(path, "-"));
}

void addReach(UnitText &text, KeyReach reach) {
    switch (reach) {
        case KeyReach::Nothing:
            return;
        case KeyReach::Network:
            text.set("PrivateNetwork", "no")
                .set("IPAddressDeny", "")
                .set("RestrictAddressFamilies", "AF_INET AF_INET6 AF_NETLINK")
                // With these volumecrypt-kms locks itself up, and becomes nobody: whom the engine
                // can only end with the last of the capabilities.
                .set("SystemCallFilter",
                     "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp "
                     "@setuid capset")
                .set("CapabilityBoundingSet", "CAP_SETUID CAP_SETGID CAP_KILL");
            return;
        case KeyReach::TpmDevice:
            // Where udev gives /dev/tpmrm0 to a user of its own, root is nobody to it.
            text.set("CapabilityBoundingSet", "CAP_DAC_OVERRIDE");
            return;
    }
}

void addKeyAccess(UnitText &text, const VolumeSpec &volume) {
    for (const KeyReach reach : reachOf(volume)) addReach(text, reach);
}

}  // namespace

std::string attachDropIn(const VolumeSpec &volume, const BootRole &role,
                         const Relations &relations) {
    UnitText text;
    text.section("Unit");
    if (volume.position.file.starts_with('/'))
        text.set("SourcePath", lineValue(volume.position.file));
    addSource(text, role);
    if (!role.blockdev.empty())
        text.set("Wants", role.blockdev)
            .set("Before", role.blockdev)
            .set("PropagatesStopTo", role.blockdev);
    if (role.network)
        text.set("After", "remote-fs-pre.target")
            .set("Wants", kNetworkOnline)
            .set("After", kNetworkOnline);
    if (role.blocking) text.set("Before", role.attachTarget);
    addNeeds(text, volume, relations);
    text.section("Service");
    addStateAccess(text, volume, relations);
    addHomeAccess(text, volume, relations);
    addKeyAccess(text, volume);
    return text.text();
}

std::string syncDropIn(const VolumeSpec &volume, const Relations &relations) {
    UnitText text;
    text.section("Unit");
    if (reachOf(volume).contains(KeyReach::Network))
        text.set("Wants", kNetworkOnline).set("After", kNetworkOnline);
    if (!relations.stateMount().empty() && volume.id.kind() != model::VolumeKind::State)
        text.set("After", model::mountUnit(relations.stateMount()));
    text.section("Service");
    addStateAccess(text, volume, relations);
    addHomeAccess(text, volume, relations);
    addKeyAccess(text, volume);
    return text.empty() ? std::string() : text.text();
}

}  // namespace volumecrypt::units

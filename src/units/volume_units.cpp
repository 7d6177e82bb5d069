// SPDX-License-Identifier: Apache-2.0
// Puts the units, drop-ins and links of a volume together, and those of all volumes.
#include "units/volume_units.h"

#include <map>
#include <utility>

#include "model/key_files.h"
#include "model/names.h"
#include "units/attach_units.h"
#include "units/boot_role.h"
#include "units/unit_parts.h"
#include "units/unit_text.h"

namespace volumecrypt::units {
namespace {

using base::ErrorCode;
using model::VolumeSpec;

// NAME_MAX of Linux, and one more than the longest unit name.
constexpr std::size_t kLongestName = 255;

base::Status checkValues(const VolumeSpec &volume, const Relations &relations) {
    VC_TRY(checkPath("volume.device", volume.device.path));
    if (!volume.metaDevice.empty()) VC_TRY(checkPath("volume.meta", volume.metaDevice));
    if (!volume.position.file.empty())
        VC_TRY(checkText("the name of the configuration file", volume.position.file));
    for (const Need &need : relations.needs(volume)) VC_TRY(checkPath(need.what, need.path));
    if (!volume.mount) return {};
    if (volume.isMounted()) VC_TRY(checkPath("mount.where", volume.mount->where));
    for (const std::string &option : volume.mount->options)
        VC_TRY(checkText("an entry of mount.options", option));
    return {};
}

base::Status checkCycle(const VolumeSpec &volume, const Relations &relations) {
    const auto &before = relations.before(volume.id);
    if (!before.contains(volume.id)) return {};
    std::string others;
    for (const model::VolumeId &other : before)
        if (other != volume.id && relations.before(other).contains(volume.id))
            others += (others.empty() ? "" : ", ") + other.text();
    return base::fail(
        ErrorCode::InvalidConfig,
        others.empty() ? "the volume needs a file that is on the volume itself"
                       : "the volume has to be mounted before " + others + ", and the other way",
        "Keep key files outside of the volumes that they open, and do not mount STATE below a "
        "volume that is locked to it.");
}

base::Status checkNames(const std::vector<UnitFile> &files) {
    for (const UnitFile &file : files) {
        std::string_view rest = file.path;
        while (!rest.empty()) {
            const auto name = rest.substr(0, rest.find('/'));
            if (name.size() > kLongestName)
                return base::fail(
                    ErrorCode::InvalidConfig,
                    "a path is too long for the name of a unit: \"" + std::string(name) + "\"");
            rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        }
    }
    return {};
}

// PrivateTmp= requires what /tmp and /var/tmp are on to be mounted: a volume there that is refused
// would keep the service away when it is asked why.
void addServiceFreedom(std::vector<UnitFile> &files, const VolumeSpec &volume) {
    if (!volume.isMounted()) return;
    const std::string &where = volume.mount->where;
    if (!model::isAtOrBelow("/tmp", where) && !model::isAtOrBelow("/var/tmp", where)) return;
    UnitText text;
    text.section("Service").set("PrivateTmp", "no");
    files.push_back(
        {"volumecrypt.service.d/50-volume-" + volume.id.text() + ".conf", text.text(), {}});
}

void addUnits(std::vector<UnitFile> &files, const VolumeSpec &volume, const BootRole &role,
              const Relations &relations, const UnitDirectories &directories) {
    files.push_back({role.attach + ".d/50-volume.conf", attachDropIn(volume, role, relations), {}});
    if (role.encrypted || role.undecided)
        if (auto text = syncDropIn(volume, relations); !text.empty())
            files.push_back({role.sync + ".d/50-volume.conf", std::move(text), {}});
    if (!role.consumer.empty()) files.push_back({role.consumer, consumerText(volume, role), {}});
    const std::string fsck = fsckUnit(volume, role);
    if (fsck.empty()) return;
    if (role.undecided)
        files.push_back({fsck, fsckService(volume, role, directories), {}});
    else
        files.push_back({fsck + ".d/50-volumecrypt.conf", fsckDropIn(role), {}});
}

}  // namespace

base::Result<std::vector<UnitFile>> volumeUnits(const VolumeSpec &volume,
                                                const Relations &relations,
                                                const UnitDirectories &directories) {
    VC_TRY(checkValues(volume, relations));
    VC_TRY(checkCycle(volume, relations));
    const BootRole role = bootRole(volume, relations);
    std::vector<UnitFile> files;
    addUnits(files, volume, role, relations, directories);
    addLinks(files, role, directories);
    addTimeouts(files, volume, role);
    addDeviceMarks(files, volume, role);
    addTrim(files, volume, role, directories);
    addServiceFreedom(files, volume);
    VC_TRY(checkNames(files));
    return files;
}

GeneratedUnits generateUnits(const std::vector<VolumeSpec> &volumes,
                             const UnitDirectories &directories, LinkTarget linkTarget) {
    const Relations relations(volumes, std::move(linkTarget));
    GeneratedUnits result;
    std::map<std::string, UnitFile> byPath;
    std::map<std::string, model::VolumeId> owners;
    for (const VolumeSpec &volume : volumes) {
        auto files = volumeUnits(volume, relations, directories);
        if (!files) {
            result.refusals.push_back({volume.id, std::move(files).error()});
            continue;
        }
        const UnitFile *clash = nullptr;
        for (const UnitFile &file : *files)
            if (const auto found = byPath.find(file.path);
                found != byPath.end() && found->second != file)
                clash = &found->second;
        if (clash != nullptr) {
            base::Error error(ErrorCode::InvalidConfig,
                              "the volume has its device or its mount point in common with " +
                                  owners.at(clash->path).text() + " (" + clash->path + ")",
                              "Give each volume a device and a mount point of its own.");
            result.refusals.push_back({volume.id, std::move(error)});
            continue;
        }
        for (UnitFile &file : *files) {
            owners.try_emplace(file.path, volume.id);
            byPath.insert_or_assign(file.path, std::move(file));
        }
    }
    for (auto &[path, file] : byPath) result.files.push_back(std::move(file));
    return result;
}

}  // namespace volumecrypt::units

// SPDX-License-Identifier: Apache-2.0
// The names that the kernel and systemd give to a volume's device, compared with the table.
#include "daemon/mounted.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/files.h"
#include "daemon/system_view.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

namespace fs = std::filesystem;

// "dm-3" for the mapping "luks2-u-data"; empty when there is none.
std::string kernelNameOf(const std::string &mapping, const std::string &folder) {
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(folder, ignored))
        if (sysfsLine(entry.path() / "dm/name") == mapping) return entry.path().filename();
    return {};
}

// The first word of each line but the first.
std::set<std::string> swapsIn(const std::string &text) {
    std::set<std::string> swaps;
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) swaps.insert(line.substr(0, line.find_first_of(" \t")));
    return swaps;
}

}  // namespace

MountedVolumes MountedVolumes::read(const model::SystemPaths &paths) {
    MountedVolumes mounted(paths);
    if (const auto text = base::readFile(paths.below("/proc/1/mountinfo")))
        mounted.machine_ = base::parseMounts(*text);
    if (const auto text = base::readFile(paths.below("/proc/self/mountinfo")))
        mounted.own_ = base::parseMounts(*text);
    if (const auto text = base::readFile(paths.below("/proc/swaps")))
        mounted.swaps_ = swapsIn(*text);
    return mounted;
}

DeviceNames MountedVolumes::namesOf(const Volume &volume, const VolumeStatus &status) const {
    const std::string folder = paths_.below("/sys/class/block");
    DeviceNames names{.number = {}, .paths = {volume.spec().contentDevice()}};
    std::string kernelName;
    if (volume.spec().encryption) {
        kernelName = kernelNameOf(model::mappingName(volume.id()), folder);
    } else {
        names.paths.insert(status.device);
        kernelName = fs::path(status.device).filename();
    }
    if (kernelName.empty()) return names;
    names.paths.insert("/dev/" + kernelName);
    names.number = sysfsLine(folder + "/" + kernelName + "/dev");
    return names;
}

bool MountedVolumes::contain(const Volume &volume, const VolumeStatus &status) const {
    if (volume.spec().filesystem.type == model::FilesystemType::Swap) {
        const DeviceNames names = namesOf(volume, status);
        return std::any_of(names.paths.begin(), names.paths.end(),
                           [this](const auto &path) { return swaps_.contains(path); });
    }
    if (status.mountPoint.empty()) return !places(volume, status).empty();
    return mountOf(volume, status) != nullptr;
}

const base::MountEntry *MountedVolumes::reached(const Mounts &mounts, const Volume &volume,
                                                const VolumeStatus &status) const {
    const auto *reached = base::mountReachedAt(mounts, status.mountPoint);
    const bool isOurs = reached != nullptr && namesOf(volume, status).isMountedBy(*reached);
    return isOurs ? reached : nullptr;
}

const base::MountEntry *MountedVolumes::machineMountOf(const Volume &volume,
                                                       const VolumeStatus &status) const {
    return reached(machine_, volume, status);
}

const base::MountEntry *MountedVolumes::mountOf(const Volume &volume,
                                                const VolumeStatus &status) const {
    const auto *mount = machineMountOf(volume, status);
    return mount != nullptr ? mount : reached(own_, volume, status);
}

std::string MountedVolumes::obstacle(const Volume &volume, const VolumeStatus &status) const {
    if (contain(volume, status)) return {};
    const Mounts &mounts = machine_.empty() ? own_ : machine_;
    const auto *reached = base::mountReachedAt(mounts, status.mountPoint);
    // What is mounted on demand waits for the volume.
    if (reached != nullptr && reached->type == "autofs") return {};
    if (reached != nullptr) return reached->source + " is mounted on " + status.mountPoint;
    const bool hidden = std::any_of(mounts.begin(), mounts.end(), [&status](const auto &mount) {
        return mount.where == status.mountPoint;
    });
    return hidden ? "what is mounted above " + status.mountPoint + " hides it" : std::string();
}

bool MountedVolumes::isWriteProtected(const Volume &volume, const VolumeStatus &status) const {
    const DeviceNames names = namesOf(volume, status);
    return std::any_of(names.paths.begin(), names.paths.end(), [this](const auto &path) {
        const std::string name = fs::path(path).filename();
        return sysfsLine(paths_.below("/sys/class/block/" + name + "/ro")) == "1";
    });
}

std::vector<std::string> MountedVolumes::places(const Volume &volume,
                                                const VolumeStatus &status) const {
    const DeviceNames names = namesOf(volume, status);
    std::vector<std::string> places;
    for (const auto *mounts : {&machine_, &own_})
        for (const auto &mount : *mounts)
            if (names.isMountedBy(mount)) places.push_back(mount.where);
    return places;
}

}  // namespace volumecrypt::daemon

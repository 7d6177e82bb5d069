// SPDX-License-Identifier: Apache-2.0
// Devices are told by their numbers; btrfs has none of its own, and is told by its source.
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

bool hasNumber(const base::MountEntry &mount) {
    return !mount.device.starts_with("0:");
}

}  // namespace

MountedVolumes MountedVolumes::read(const model::SystemPaths &paths) {
    MountedVolumes mounted(paths);
    if (const auto text = base::readFile(paths.below("/proc/self/mountinfo")))
        mounted.mounts_ = base::parseMounts(*text);
    if (const auto text = base::readFile(paths.below("/proc/swaps")))
        mounted.swaps_ = swapsIn(*text);
    return mounted;
}

MountedVolumes::Names MountedVolumes::namesOf(const Volume &volume,
                                              const VolumeStatus &status) const {
    const std::string folder = paths_.below("/sys/class/block");
    Names names{.number = {}, .paths = {volume.spec().contentDevice()}};
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
    const Names names = namesOf(volume, status);
    if (volume.spec().filesystem.type == model::FilesystemType::Swap)
        return std::any_of(names.paths.begin(), names.paths.end(),
                           [this](const auto &path) { return swaps_.contains(path); });
    const auto isOurs = [&names](const base::MountEntry &mount) {
        if (hasNumber(mount)) return mount.device == names.number;
        return names.paths.contains(mount.source);
    };
    if (status.mountPoint.empty()) return std::any_of(mounts_.begin(), mounts_.end(), isOurs);
    const base::MountEntry *reached = base::mountReachedAt(mounts_, status.mountPoint);
    return reached != nullptr && isOurs(*reached);
}

}  // namespace volumecrypt::daemon

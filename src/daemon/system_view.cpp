// SPDX-License-Identifier: Apache-2.0
// Folder listings, and the small files of sysfs.
#include "daemon/system_view.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnitBegin = "volumecrypt@";
constexpr std::string_view kDropInEnd = ".service.d";
constexpr std::string_view kWantsEnd = ".service.wants";
constexpr std::string_view kMappingBegin = "luks2-";

std::vector<std::string> namesIn(const std::string &folder) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(folder, ignored))
        names.push_back(entry.path().filename());
    return names;
}

std::optional<model::VolumeId> between(std::string_view name, std::string_view begin,
                                       std::string_view end) {
    if (!name.starts_with(begin) || !name.ends_with(end)) return std::nullopt;
    if (name.size() <= begin.size() + end.size()) return std::nullopt;
    name.remove_prefix(begin.size());
    name.remove_suffix(end.size());
    auto id = model::VolumeId::parse(name);
    if (!id) return std::nullopt;
    return std::move(*id);
}

void readGenerated(SystemView &view, const std::string &folder) {
    for (const auto &name : namesIn(folder)) {
        if (const auto id = between(name, kUnitBegin, kDropInEnd)) view.generated[*id];
        const auto id = between(name, kUnitBegin, kWantsEnd);
        if (!id) continue;
        auto &consumers = view.generated[*id];
        for (auto &unit : namesIn(std::string(folder).append("/").append(name)))
            if (unit.ends_with(".mount") || unit.ends_with(".swap"))
                consumers.insert(std::move(unit));
    }
}

void readMapped(SystemView &view, const std::string &folder, const std::string &mountinfo) {
    const auto mounts = base::parseMounts(mountinfo);
    for (const auto &name : namesIn(folder)) {
        const auto device = std::string(folder).append("/").append(name);
        const auto id = between(sysfsLine(device + "/dm/name"), kMappingBegin, "");
        if (!id || !sysfsLine(device + "/dm/uuid").starts_with("CRYPT-")) continue;
        auto &units = view.mapped[*id];
        const DeviceNames names{.number = sysfsLine(device + "/dev"),
                                .paths = {model::mappingPath(*id), "/dev/" + name}};
        for (const auto &mount : mounts)
            if (names.isMountedBy(mount)) units.insert(model::mountUnit(mount.where));
    }
}

}  // namespace

std::string sysfsLine(const std::string &path) {
    const auto text = base::readFile(path, 4096);
    return text ? text->substr(0, text->find('\n')) : std::string();
}

bool DeviceNames::isMountedBy(const base::MountEntry &mount) const {
    if (!mount.device.starts_with("0:")) return mount.device == number;
    return paths.contains(mount.source);
}

SystemView readSystemView(const model::SystemPaths &paths) {
    SystemView view;
    readGenerated(view, paths.below("/run/systemd/generator"));
    const auto mountinfo = base::readFile(paths.below("/proc/self/mountinfo"));
    readMapped(view, paths.below("/sys/class/block"), mountinfo ? *mountinfo : std::string());
    return view;
}

}  // namespace volumecrypt::daemon

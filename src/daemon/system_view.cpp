// SPDX-License-Identifier: Apache-2.0
// Folder listings and two small text formats.
#include "daemon/system_view.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

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
    for (const auto &name : namesIn(folder)) {
        const auto device = std::string(folder).append("/").append(name);
        const auto id = between(sysfsLine(device + "/dm/name"), kMappingBegin, "");
        if (!id || !sysfsLine(device + "/dm/uuid").starts_with("CRYPT-")) continue;
        auto &units = view.mapped[*id];
        for (const auto &where : mountPointsOf(mountinfo, sysfsLine(device + "/dev")))
            units.insert(model::mountUnit(where));
    }
}

// Octal escapes of blank, tab, newline and backslash.
std::string unescaped(const std::string &text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 3 >= text.size()) {
            plain += text[i];
            continue;
        }
        plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                   (text[i + 3] - '0'));
        i += 3;
    }
    return plain;
}

// Device "MAJOR:MINOR" and mount point of each line.
std::vector<std::pair<std::string, std::string>> mountsIn(const std::string &mountinfo) {
    std::vector<std::pair<std::string, std::string>> mounts;
    std::istringstream lines(mountinfo);
    std::string line;
    // 36 35 98:0 /root /mount/point options - type source
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string id;
        std::string parent;
        std::string number;
        std::string root;
        std::string where;
        if (fields >> id >> parent >> number >> root >> where)
            mounts.emplace_back(number, unescaped(where));
    }
    return mounts;
}

}  // namespace

std::string sysfsLine(const std::string &path) {
    const auto text = base::readFile(path, 4096);
    return text ? text->substr(0, text->find('\n')) : std::string();
}

std::vector<std::string> mountPointsOf(const std::string &mountinfo, const std::string &device) {
    std::vector<std::string> points;
    for (auto &[number, where] : mountsIn(mountinfo))
        if (number == device) points.push_back(std::move(where));
    return points;
}

bool isMountPoint(const std::string &mountinfo, const std::string &where) {
    const auto mounts = mountsIn(mountinfo);
    return std::any_of(mounts.begin(), mounts.end(),
                       [&where](const auto &mount) { return mount.second == where; });
}

SystemView readSystemView(const model::SystemPaths &paths) {
    SystemView view;
    readGenerated(view, paths.below("/run/systemd/generator"));
    const auto mountinfo = base::readFile(paths.below("/proc/self/mountinfo"));
    readMapped(view, paths.below("/sys/class/block"), mountinfo ? *mountinfo : std::string());
    return view;
}

}  // namespace volumecrypt::daemon

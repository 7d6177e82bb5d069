// SPDX-License-Identifier: Apache-2.0
// mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS", and the lines of unit files.
#include "daemon/mount_flags.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <sstream>

namespace volumecrypt::daemon {
namespace {

struct Toggle {
    const char *set;
    const char *clear;  // the default
};
constexpr std::array<Toggle, 4> kToggles{
    {{"ro", "rw"}, {"nosuid", "suid"}, {"nodev", "dev"}, {"noexec", "exec"}}};
constexpr std::array<std::string_view, 3> kAccessTimes{"noatime", "relatime", "strictatime"};
// They imply others, and who mounts.
constexpr std::array<std::string_view, 5> kUnclear{"user", "users", "owner", "group", "bind"};

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream{std::string(text)};
    for (std::string part; std::getline(stream, part, separator);)
        if (!part.empty()) parts.push_back(std::move(part));
    return parts;
}

template <typename List>
bool holds(const List &list, std::string_view option) {
    return std::find(list.begin(), list.end(), option) != list.end();
}

// The last one counts. mount(8) takes no notice of "defaults".
bool isSet(const std::vector<std::string> &declared, const Toggle &toggle) {
    bool set = false;
    for (const auto &option : declared) {
        if (option == toggle.set) set = true;
        if (option == toggle.clear) set = false;
    }
    return set;
}

// How the kernel tells it: the strict way has no name.
std::string_view accessTimesOf(const std::vector<std::string> &actual) {
    for (const auto option : {kAccessTimes[0], kAccessTimes[1]})
        if (holds(actual, option)) return option;
    return kAccessTimes[2];
}

using Lines = std::map<std::string, std::string>;  // by key; values of the same key together

Lines linesOf(const std::string &unit) {
    Lines lines;
    for (const auto &line : split(unit, '\n')) {
        const auto equals = line.find('=');
        lines[line.substr(0, equals)] += line + "\n";
    }
    return lines;
}

std::string valueOf(const Lines &lines, const std::string &key) {
    const auto found = lines.find(key);
    return found == lines.end() ? std::string() : found->second;
}

std::set<std::string> optionsOf(const Lines &lines) {
    auto line = valueOf(lines, "Options");
    line.erase(0, line.find('=') + 1);
    while (line.ends_with('\n')) line.pop_back();
    const auto options = split(line, ',');
    return {options.begin(), options.end()};
}

bool saysAccessTimes(const std::set<std::string> &options) {
    return std::any_of(kAccessTimes.begin(), kAccessTimes.end(), [&options](const auto option) {
        return options.contains(std::string(option));
    });
}

}  // namespace

bool isMountFlag(std::string_view option) {
    return holds(kAccessTimes, option) ||
           std::any_of(kToggles.begin(), kToggles.end(), [option](const Toggle &toggle) {
               return option == toggle.set || option == toggle.clear;
           });
}

std::optional<std::vector<std::string>> flagsToChange(const std::vector<std::string> &declared,
                                                      std::string_view actual) {
    if (std::any_of(declared.begin(), declared.end(),
                    [](const auto &option) { return holds(kUnclear, option); }))
        return std::nullopt;
    std::vector<std::string> changes;
    const auto has = split(actual, ',');
    for (const Toggle &toggle : kToggles) {
        const bool wanted = isSet(declared, toggle);
        if (wanted != holds(has, toggle.set))
            changes.emplace_back(wanted ? toggle.set : toggle.clear);
    }
    // Of several the strictest wins, whatever their order: not for us to repeat.
    const auto isAccessTimes = [](const auto &option) { return holds(kAccessTimes, option); };
    if (std::count_if(declared.begin(), declared.end(), isAccessTimes) == 1) {
        const auto said = std::find_if(declared.begin(), declared.end(), isAccessTimes);
        if (*said != accessTimesOf(has)) changes.push_back(*said);
    }
    return changes;
}

MountUnitChange compareMountUnits(const std::string &before, const std::string &after) {
    Lines old = linesOf(before);
    Lines now = linesOf(after);
    for (const char *key : {"What", "Where", "Type"})
        if (valueOf(old, key) != valueOf(now, key)) return MountUnitChange::Content;
    const auto had = optionsOf(old);
    const auto has = optionsOf(now);
    std::vector<std::string> changed;
    std::set_symmetric_difference(had.begin(), had.end(), has.begin(), has.end(),
                                  std::back_inserter(changed));
    old.erase("Options");
    now.erase("Options");
    // A remount would keep them as they were.
    const bool silent = saysAccessTimes(had) && !saysAccessTimes(has);
    const bool flags = !silent && std::all_of(changed.begin(), changed.end(), isMountFlag);
    return flags && old == now ? MountUnitChange::Flags : MountUnitChange::Other;
}

}  // namespace volumecrypt::daemon

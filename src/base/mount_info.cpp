// SPDX-License-Identifier: Apache-2.0
// proc(5), "/proc/pid/mountinfo": fields separated by blanks, with octal escapes in them.
#include "base/mount_info.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include <sys/stat.h>

#include "base/files.h"

namespace volumecrypt::base {
namespace {

bool isOctal(char c) {
    return c >= '0' && c <= '7';
}

std::string unescaped(std::string_view field) {
    std::string text;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (field[i] == '\\' && i + 3 < field.size() && isOctal(field[i + 1]) &&
            isOctal(field[i + 2]) && isOctal(field[i + 3])) {
            text += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 +
                                      (field[i + 3] - '0'));
            i += 3;
        } else {
            text += field[i];
        }
    }
    return text;
}

bool isReadOnly(const std::string &options) {
    return options == "ro" || options.starts_with("ro,");
}

// ID, parent, major:minor, root, mount point, options, optional fields…, "-", type, source, options
// of the file system.
std::optional<MountEntry> entryOf(const std::string &line) {
    std::istringstream fields(line);
    std::string field;
    MountEntry entry;
    std::string root;
    if (!(fields >> entry.id >> entry.parent >> entry.device >> root >> field)) return std::nullopt;
    entry.where = unescaped(field);
    if (fields >> field) {
        entry.readOnlyHere = isReadOnly(field);
        entry.options = field;
    }
    while (field != "-" && fields >> field) continue;
    if (!(fields >> entry.type >> field)) return std::nullopt;
    entry.source = unescaped(field);
    if (fields >> field) entry.readOnly = isReadOnly(field);
    return entry;
}

// Whether the way to `path` leads through `where`.
bool isOnTheWay(std::string_view where, std::string_view path) {
    return where == "/" || where == path ||
           (path.starts_with(where) && path.substr(where.size()).starts_with('/'));
}

// What somebody who is on `mount`, on the way to `path`, comes to next.
const MountEntry *nextOnTheWay(const std::vector<MountEntry> &mounts, const MountEntry &mount,
                               std::string_view path) {
    const MountEntry *next = nullptr;
    for (const MountEntry &entry : mounts) {
        if (entry.parent != mount.id || entry.id == mount.id) continue;
        if (!isOnTheWay(entry.where, path)) continue;
        if (next == nullptr || entry.where.size() < next->where.size()) next = &entry;
    }
    return next;
}

std::optional<dev_t> blockDeviceAt(const std::string &path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0 || !S_ISBLK(info.st_mode)) return std::nullopt;
    return info.st_rdev;
}

}  // namespace

std::vector<MountEntry> parseMounts(std::string_view mountinfo) {
    std::istringstream lines{std::string(mountinfo)};
    std::vector<MountEntry> mounts;
    for (std::string line; std::getline(lines, line);)
        if (auto entry = entryOf(line)) mounts.push_back(std::move(*entry));
    return mounts;
}

const MountEntry *mountReachedAt(const std::vector<MountEntry> &mounts, std::string_view where) {
    const auto root = std::find_if(mounts.begin(), mounts.end(),
                                   [](const auto &entry) { return entry.where == "/"; });
    if (root == mounts.end()) return nullptr;
    const MountEntry *reached = &*root;
    // A text that leads in circles is none of the kernel's.
    for (std::size_t steps = 0; steps < mounts.size(); ++steps) {
        const MountEntry *next = nextOnTheWay(mounts, *reached, where);
        if (next == nullptr) break;
        reached = next;
    }
    return reached->where == where ? reached : nullptr;
}

std::optional<MountEntry> mountAt(std::string_view mountinfo, std::string_view where) {
    std::optional<MountEntry> top;
    // Later mounts are further down, and hide earlier ones at the same place.
    for (MountEntry &entry : parseMounts(mountinfo))
        if (entry.where == where) top = std::move(entry);
    return top;
}

std::optional<MountEntry> mountOver(std::string_view mountinfo, std::string_view path) {
    for (std::string place(path); !place.empty(); place.resize(place.rfind('/')))
        if (auto entry = mountAt(mountinfo, place)) return entry;
    return mountAt(mountinfo, "/");
}

std::vector<MountEntry> mountsOf(std::string_view mountinfo, const std::string &device) {
    const auto wanted = blockDeviceAt(device);
    if (!wanted) return {};
    std::vector<MountEntry> mounts = parseMounts(mountinfo);
    std::erase_if(mounts, [&](const auto &entry) { return blockDeviceAt(entry.source) != wanted; });
    return mounts;
}

Result<bool> isMountOf(const std::string &where, const std::string &device) {
    std::error_code code;
    const std::string real = std::filesystem::canonical(where, code).string();
    const auto wanted = blockDeviceAt(device);
    if (code || !wanted) return false;
    VC_ASSIGN(const std::string text, readFile("/proc/self/mountinfo"));
    const auto entry = mountAt(text, real);
    return entry && blockDeviceAt(entry->source) == wanted;
}

}  // namespace volumecrypt::base

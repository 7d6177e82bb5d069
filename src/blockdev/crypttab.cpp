// SPDX-License-Identifier: Apache-2.0
// Reads crypttab(5): lines of "NAME DEVICE …"; DEVICE is a path, or a tag that udev makes a link
// for.
#include <array>
#include <cerrno>
#include <sstream>
#include <string_view>
#include <utility>

#include <sys/stat.h>

#include "base/files.h"
#include "blockdev/device.h"

namespace volumecrypt::blockdev {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTags{
    {{"UUID=", "/dev/disk/by-uuid/"},
     {"PARTUUID=", "/dev/disk/by-partuuid/"},
     {"LABEL=", "/dev/disk/by-label/"},
     {"PARTLABEL=", "/dev/disk/by-partlabel/"}}};

std::string pathOf(const std::string &source) {
    for (const auto &[tag, directory] : kTags) {
        if (!source.starts_with(tag)) continue;
        std::string value = source.substr(tag.size());
        if (value.size() > 1 && value.front() == '"' && value.back() == '"')
            value = value.substr(1, value.size() - 2);
        return std::string(directory) + value;
    }
    return source;
}

bool isSame(const std::string &path, const Device &device) {
    if (path == device.path || path == device.node) return true;
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0) return false;
    if (device.isFile)
        return S_ISREG(info.st_mode) && info.st_dev == device.number && info.st_ino == device.inode;
    return S_ISBLK(info.st_mode) && info.st_rdev == device.number;
}

}  // namespace

base::Result<std::optional<std::string>> nameInCrypttab(const model::SystemPaths &paths,
                                                        const Device &device) {
    const std::string file = paths.below("/etc/crypttab");
    struct stat info {};
    if (::stat(file.c_str(), &info) < 0) {
        if (errno == ENOENT) return std::optional<std::string>();
        return base::fail(base::errnoError("look at " + file, errno));
    }
    VC_ASSIGN(const std::string text, base::readFile(file));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name;
        std::string source;
        if (!(fields >> name >> source) || name.starts_with('#')) continue;
        if (isSame(pathOf(source), device)) return std::optional(std::move(name));
    }
    return std::optional<std::string>();
}

}  // namespace volumecrypt::blockdev

// SPDX-License-Identifier: Apache-2.0
// Mounts, swap, device-mapper and loop devices: what the kernel tells of.
#include "blockdev/device_users.h"

#include <algorithm>
#include <sstream>

#include <sys/stat.h>

#include "base/files.h"
#include "base/mount_info.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {
namespace {

bool isNode(const std::string &path, const Device &device) {
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0) return false;
    return device.isFile ? info.st_dev == device.number && info.st_ino == device.inode
                         : S_ISBLK(info.st_mode) && info.st_rdev == device.number;
}

void addMounts(const Device &device, std::vector<std::string> &users) {
    // Without /proc nothing can be said.
    const auto text = base::readFile("/proc/self/mountinfo");
    if (!text || device.isFile) return;
    for (const base::MountEntry &mount : base::mountsOf(*text, device.node))
        users.push_back("mounted at " + mount.where);
}

void addSwap(const Device &device, std::vector<std::string> &users) {
    const auto text = base::readFile("/proc/swaps");
    if (!text) return;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);)
        if (isNode(line.substr(0, line.find_first_of(" \t")), device))
            users.emplace_back("in use as swap");
}

void addLoops(const KernelRoots &roots, const Device &device, std::vector<std::string> &users) {
    if (!device.isFile) return;
    for (const std::string &name : namesIn(roots.sys + "/block"))
        if (const auto file = readAttribute(roots.sys + "/block/" + name + "/loop", "backing_file");
            file && isNode(*file, device))
            users.push_back("behind " + roots.dev + "/" + name);
}

}  // namespace

base::Result<std::vector<std::string>> usersOfIn(const KernelRoots &roots, const Device &device) {
    std::vector<std::string> users;
    addMounts(device, users);
    addSwap(device, users);
    if (!device.isFile)
        for (const std::string &holder : holdersOf(roots, device.number))
            users.push_back("under " + holder);
    addLoops(roots, device, users);
    return users;
}

base::Result<std::vector<std::string>> usersOf(const Device &device) {
    return usersOfIn({}, device);
}

}  // namespace volumecrypt::blockdev

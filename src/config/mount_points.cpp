// SPDX-License-Identifier: Apache-2.0
// The directories of a running system that no mount of ours may touch.
#include <algorithm>
#include <array>

#include "config/values.h"

namespace volumecrypt::config {
namespace {

struct Tree {
    std::string_view path;
    // Below it, but of no use to a boot: machines do mount there.
    std::array<std::string_view, 2> free{};
};

// What is read or written before the local file systems are mounted: the system's programs and
// configuration, what the kernel shows, what units keep for this boot, what the boot loader reads.
// All of such a tree counts, as any name in it may be next year's need.
constexpr std::array<Tree, 11> kTrees{{
    {"/usr", {"/usr/local", "/usr/src"}},
    {"/etc"},
    {"/proc"},
    {"/sys"},
    {"/dev"},
    {"/run", {"/run/media"}},
    {"/boot"},
    {"/efi"},
    {"/sysroot"},  // of image-based systems: all of the above is really there
    // Links to /run on every distribution.
    {"/var/run"},
    {"/var/lock"},
}};

bool isAtOrBelow(std::string_view path, std::string_view directory) {
    return directory == "/" || (path.starts_with(directory) &&
                                (path.size() == directory.size() || path[directory.size()] == '/'));
}

// /bin, /sbin and the architectures' /lib, /lib64, /libx32, …: links into /usr, or its older half.
bool isOldUsr(std::string_view path) {
    const std::string_view top = path.substr(1, path.find('/', 1) - 1);
    if (top == "bin" || top == "sbin" || top == "lib") return true;
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    return top.starts_with("lib") && isDigit(top.back());
}

}  // namespace

bool hidesSystem(std::string_view where, std::span<const std::string_view> own) {
    if (where == "/" || isOldUsr(where)) return true;
    const bool inTree = std::any_of(kTrees.begin(), kTrees.end(), [where](const Tree &tree) {
        return isAtOrBelow(where, tree.path) &&
               std::none_of(tree.free.begin(), tree.free.end(), [where](std::string_view free) {
                   return !free.empty() && isAtOrBelow(where, free);
               });
    });
    // Our programs may be installed below /usr/local or /opt.
    return inTree || std::any_of(own.begin(), own.end(), [where](std::string_view directory) {
               return isAtOrBelow(directory, where) || isAtOrBelow(where, directory);
           });
}

}  // namespace volumecrypt::config

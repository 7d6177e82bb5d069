// SPDX-License-Identifier: Apache-2.0
// Symbolic links resolved step by step. What root alone can change does not change between two
// steps.
#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <string_view>

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"

namespace volumecrypt::base {
namespace {

constexpr int kMostLinks = 40;

void prependComponents(std::deque<std::string> &rest, std::string_view path) {
    std::deque<std::string> components;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        if (const auto name = path.substr(0, slash); !name.empty() && name != ".")
            components.emplace_back(name);
        if (slash == std::string_view::npos) break;
        path.remove_prefix(slash + 1);
    }
    rest.insert(rest.begin(), components.begin(), components.end());
}

std::string parentOf(const std::string &path) {
    return path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
}

// Empty: no link.
std::string linkAt(const std::string &path) {
    std::array<char, PATH_MAX> text{};
    const ssize_t size = ::readlink(path.c_str(), text.data(), text.size());
    return size <= 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

Status refuse(const std::string &path, const std::string &component, const std::string &why,
              const std::string &hint) {
    return fail(ErrorCode::InvalidConfig,
                path +
                    " is a symbolic link, which is followed only where root alone decides "
                    "where it leads: " +
                    component + " " + why,
                hint);
}

Status checkComponent(const std::string &path, const std::string &component) {
    struct stat info {};
    if (::lstat(component.c_str(), &info) < 0)
        return fail(errnoError("look at " + component, errno));
    if (info.st_uid != 0 && info.st_uid != ::geteuid())
        return refuse(path, component, "belongs to user " + std::to_string(info.st_uid),
                      "Run `chown -h root: " + component + "`.");
    // In a directory with the sticky bit nobody replaces what is root's.
    const bool others = S_ISDIR(info.st_mode) && (info.st_mode & 022U) != 0 &&
                        (info.st_mode & static_cast<unsigned>(S_ISVTX)) == 0;
    if (others)
        return refuse(path, component, "can be written to by others",
                      "Run `chmod go-w " + component + "`.");
    return {};
}

}  // namespace

Result<LinkWalk> walkLinks(const std::string &path) {
    LinkWalk walk;
    std::deque<std::string> rest;
    prependComponents(rest, path);
    std::string at;  // without a slash at its end; empty: /
    walk.way.emplace_back("/");
    for (int links = 0; !rest.empty();) {
        const std::string name = rest.front();
        rest.pop_front();
        if (name == "..") {
            at = parentOf(at);
            continue;
        }
        const std::string next = at + "/" + name;
        const std::string target = linkAt(next);
        if (target.empty()) {
            at = next;
            if (!rest.empty()) walk.way.push_back(at);
            continue;
        }
        if (++links > kMostLinks)
            return fail(ErrorCode::Io, path + " goes through too many symbolic links");
        walk.way.push_back(next);
        walk.endsInLink = walk.endsInLink || rest.empty();
        if (target.front() == '/') at.clear();
        prependComponents(rest, target);
    }
    walk.target = at.empty() ? "/" : at;
    return walk;
}

Result<UniqueFd> openFollowing(const std::string &path) {
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    VC_ASSIGN(const LinkWalk walk, walkLinks(path));
    if (!walk.endsInLink) return openFile(path, kFlags);
    for (const std::string &component : walk.way) VC_TRY(checkComponent(path, component));
    auto file = openFile(walk.target, kFlags);
    if (!file) return fail(std::move(file).error().because(path));
    return file;
}

}  // namespace volumecrypt::base

// SPDX-License-Identifier: Apache-2.0
// Component by component with O_NOFOLLOW: as openat2(2) with RESOLVE_NO_SYMLINKS, on every kernel
// and in every sandbox.
#include "base/file_below.h"

#include <cerrno>
#include <optional>
#include <span>

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope_exit.h"

namespace volumecrypt::base {
namespace {

constexpr unsigned kDirectoryMode = 0755;
constexpr int kMostTries = 100;

enum class Missing { Report, Make };

// The directory that the file is in, and the file's name there.
struct Place {
    UniqueFd directory;
    std::string name;
};

int openDirectoryAt(int at, const std::string &name) {
    return ::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

Result<UniqueFd> enter(const UniqueFd &at, const std::string &name, const std::string &path,
                       Missing missing) {
    int fd = openDirectoryAt(at.get(), name);
    if (fd < 0 && errno == ENOENT && missing == Missing::Make) {
        if (::mkdirat(at.get(), name.c_str(), kDirectoryMode) < 0 && errno != EEXIST)
            return fail(errnoError("create " + path, errno));
        fd = openDirectoryAt(at.get(), name);
    }
    if (fd >= 0) return UniqueFd(fd);
    if (errno == ENOTDIR || errno == ELOOP)
        return fail(ErrorCode::Io,
                    path + " is no directory; inside a volume symbolic links are not followed",
                    "Look at what is there and remove it.");
    return fail(errnoError("open " + path, errno));
}

Result<Place> find(const FileBelow &file, Missing missing) {
    VC_ASSIGN(UniqueFd at, openFile(file.root, O_PATH | O_DIRECTORY));
    std::string path = file.root;
    std::string_view rest = file.name;
    for (std::size_t end = 0; (end = rest.find('/')) != std::string_view::npos;
         rest.remove_prefix(end + 1)) {
        const std::string name(rest.substr(0, end));
        path += "/" + name;
        VC_ASSIGN(at, enter(at, name, path, missing));
    }
    return Place{.directory = std::move(at), .name = std::string(rest)};
}

// Nothing when it is not there.
Result<std::optional<struct stat>> look(const Place &place, const FileBelow &file) {
    struct stat info {};
    if (::fstatat(place.directory.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
        return info;
    if (errno == ENOENT) return std::nullopt;
    return fail(errnoError("look at " + file.path(), errno));
}

tl::unexpected<Error> notRegular(const FileBelow &file) {
    return fail(ErrorCode::Io, file.path() + " is no regular file: it is not opened",
                "Look at what is there and remove it.");
}

// A name that nobody has taken; somebody else may be writing the same file.
Result<UniqueFd> makeTemporary(const Place &place, const FileBelow &file, std::string &name) {
    for (int i = 0; i < kMostTries; ++i) {
        name = "." + place.name + "." + std::to_string(::getpid()) + "." + std::to_string(i);
        const int fd = ::openat(place.directory.get(), name.c_str(),
                                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0) return UniqueFd(fd);
        if (errno != EEXIST) break;
    }
    return fail(errnoError("create a file beside " + file.path(), errno));
}

Status writeAndSync(int fd, std::string_view content, unsigned mode, const FileBelow &file) {
    if (::fchmod(fd, mode) < 0) return fail(errnoError("set the mode of " + file.path(), errno));
    VC_TRY(writeExactly(fd, std::as_bytes(std::span(content.data(), content.size())), 0));
    if (::fsync(fd) < 0) return fail(errnoError("write " + file.path() + " to disk", errno));
    return {};
}

}  // namespace

Result<bool> existsBelow(const FileBelow &file) {
    const auto place = find(file, Missing::Report);
    if (!place && place.error().code == ErrorCode::NotFound) return false;
    if (!place) return fail(Error(place.error()));
    VC_ASSIGN(const auto info, look(*place, file));
    return info.has_value();
}

Result<UniqueFd> openBelow(const FileBelow &file) {
    VC_ASSIGN(const Place place, find(file, Missing::Report));
    // Before it is opened as well: opening alone may do something.
    VC_ASSIGN(const auto info, look(place, file));
    if (info && !S_ISREG(info->st_mode)) return notRegular(file);
    UniqueFd fd(::openat(place.directory.get(), place.name.c_str(),
                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd.valid()) return fail(errnoError("open " + file.path(), errno));
    struct stat opened {};
    if (::fstat(fd.get(), &opened) < 0) return fail(errnoError("look at " + file.path(), errno));
    if (!S_ISREG(opened.st_mode)) return notRegular(file);
    return fd;
}

Result<std::string> readBelow(const FileBelow &file, std::size_t limit) {
    VC_ASSIGN(const UniqueFd fd, openBelow(file));
    return readAll(fd.get(), file.path(), limit);
}

Status writeBelow(const FileBelow &file, std::string_view content, unsigned mode) {
    VC_TRY(makeDirectories(file.root));
    VC_ASSIGN(const Place place, find(file, Missing::Make));
    const int directory = place.directory.get();
    std::string temporary;
    VC_ASSIGN(const UniqueFd fd, makeTemporary(place, file, temporary));
    ScopeExit removeTemporary([&] { ::unlinkat(directory, temporary.c_str(), 0); });
    VC_TRY(writeAndSync(fd.get(), content, mode, file));
    if (::renameat(directory, temporary.c_str(), directory, place.name.c_str()) < 0)
        return fail(errnoError("rename to " + file.path(), errno));
    removeTemporary.release();
    const UniqueFd parent(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent.valid() || ::fsync(parent.get()) < 0)
        return fail(errnoError("write the directory of " + file.path() + " to disk", errno));
    return {};
}

Status removeBelow(const FileBelow &file) {
    const auto place = find(file, Missing::Report);
    if (!place && place.error().code == ErrorCode::NotFound) return {};
    if (!place) return fail(Error(place.error()));
    const auto remove = [&](int flags) {
        return ::unlinkat(place->directory.get(), place->name.c_str(), flags) == 0 ||
               errno == ENOENT;
    };
    if (remove(0) || (errno == EISDIR && remove(AT_REMOVEDIR))) return {};
    return fail(errnoError("remove " + file.path(), errno));
}

}  // namespace volumecrypt::base

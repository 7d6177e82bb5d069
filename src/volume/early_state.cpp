// SPDX-License-Identifier: Apache-2.0
// Looks at the early state directory itself before anything in it is believed or missed.
#include "volume/early_state.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/mount_info.h"
#include "base/unique_fd.h"
#include "model/names.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

constexpr mode_t kOthersMayWrite = 0022;
constexpr mode_t kOursAlone = 0700;

base::Status unusable(const std::string &path, const std::string &why, const std::string &hint) {
    return base::fail(ErrorCode::Io, path + " " + why + ": what it remembers is not known", hint);
}

// A link may lead to a file system that is mounted later.
base::Status checkDirectory(const std::string &path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) < 0) {
        if (errno == ENOENT) return {};
        return base::fail(base::errnoError("look at " + path, errno));
    }
    if (S_ISLNK(info.st_mode))
        return unusable(path, "is a symbolic link",
                        "Make it a directory on the root file system, with what is in it.");
    if (!S_ISDIR(info.st_mode))
        return unusable(path, "is not a directory", "Make it a directory again.");
    const bool ours = info.st_uid == 0 || info.st_uid == ::geteuid();
    if (!ours || (info.st_mode & kOthersMayWrite) != 0)
        return unusable(path, "can be changed by others than root",
                        "Look at what is in it, then run `chown root " + path +
                            "` and `chmod 700 " + path + "`.");
    VC_ASSIGN(const base::UniqueFd fd,
              base::openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
    return {};
}

bool isAtOrBelow(const std::string &path, const std::string &directory) {
    return path == directory || path.starts_with(directory + "/");
}

bool isDevice(const std::string &source, const std::string &device) {
    if (source == device) return true;
    struct stat left {};
    struct stat right {};
    return ::stat(source.c_str(), &left) == 0 && ::stat(device.c_str(), &right) == 0 &&
           S_ISBLK(left.st_mode) && S_ISBLK(right.st_mode) && left.st_rdev == right.st_rdev;
}

// By what is declared, and by what is mounted: a line of fstab may mount a volume of ours.
bool isKeptOn(const Session &session, const model::VolumeSpec &volume, const std::string &real,
              const std::string &source) {
    const model::SystemPaths &paths = session.options().paths;
    if (volume.mount && isAtOrBelow(real, paths.below(volume.mount->where))) return true;
    return isDevice(source, model::mappingPath(volume.id)) || isDevice(source, volume.device.path);
}

base::Status checkOnRoot(const Session &session) {
    const std::string directory = session.options().paths.stateDir();
    std::error_code code;
    const std::string real = std::filesystem::weakly_canonical(directory, code).string();
    if (code) return base::fail(base::errnoError("resolve " + directory, code.value()));
    VC_ASSIGN(const std::string mounts, base::readFile("/proc/self/mountinfo"));
    const auto mount = base::mountOver(mounts, real);
    for (const model::VolumeSpec &volume : session.configuration().volumes)
        if (isKeptOn(session, volume, real, mount ? mount->source : std::string()))
            return base::fail(ErrorCode::Io,
                              directory + " lies on volume " + volume.id.text() +
                                  ": it is not there when volumes are attached",
                              "Keep /etc/volumecrypt on the root file system.");
    return {};
}

}  // namespace

base::Status checkEarlyState(const Session &session) {
    const std::string directory = session.options().paths.stateDir();
    for (const char *const below : {"", "/pins", "/wipe", "/backups"})
        if (auto checked = checkDirectory(directory + below); !checked)
            return base::fail(std::move(checked).error().because(session.describe()));
    return {};
}

base::Result<bool> isRemembered(const std::string &path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return base::fail(base::errnoError("look for " + path, errno));
}

base::Status rememberEarly(const Session &session, const std::string &path, std::string_view text) {
    VC_TRY(checkEarlyState(session));
    VC_TRY(checkOnRoot(session));
    const std::filesystem::path directory(session.options().paths.stateDir());
    // What is above it is not secret.
    VC_TRY(base::makeDirectories(directory.parent_path().string()));
    VC_TRY(base::makeDirectories(std::filesystem::path(path).parent_path().string(), kOursAlone));
    return base::writeFileAtomically(path, text, 0600);
}

base::Status forgetFile(const std::string &path) {
    // Early in boot the root may be read-only: what is not there needs no writing.
    VC_ASSIGN(const bool there, isRemembered(path));
    if (there && ::unlink(path.c_str()) < 0 && errno != ENOENT)
        return base::fail(base::errnoError("remove " + path, errno));
    return {};
}

}  // namespace volumecrypt::volume

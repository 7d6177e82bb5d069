// SPDX-License-Identifier: Apache-2.0
// Marks of locked volumes as empty files: their names say it all, and to make one is one step.
#include "daemon/lock_marks.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/journal.h"
#include "base/unique_fd.h"

namespace volumecrypt::daemon {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;

bool isMarked(const std::string &path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

void warnOf(const Volume &volume, const std::string &what, const base::Error &error) {
    base::log(base::Severity::Warning,
              "volume " + volume.id().text() + ": " + what + ": " + error.message,
              {{"VOLUME", volume.id().text()}});
}

}  // namespace

void LockMarks::set(Volume &volume) const {
    volume.setLockedOnPurpose(true);
    const auto made = base::makeDirectories(paths_.lockMarkDir(), kFolderMode);
    const auto file =
        base::openFile(paths_.lockMark(volume.id()), O_WRONLY | O_CREAT | O_NOFOLLOW, kFileMode);
    if (!file)
        warnOf(volume, "that Lock was called is forgotten when the service ends",
               made ? file.error() : made.error());
}

void LockMarks::clear(Volume &volume) const {
    volume.setLockedOnPurpose(false);
    if (::unlink(paths_.lockMark(volume.id()).c_str()) == 0 || errno == ENOENT) return;
    warnOf(volume, "the next service will take it for locked by Lock",
           base::errnoError("remove " + paths_.lockMark(volume.id()), errno));
}

void LockMarks::recall(const VolumeTable &volumes) const {
    for (const auto &volume : volumes.all())
        if (isMarked(paths_.lockMark(volume->id()))) volume->setLockedOnPurpose(true);
    // The document with the error may be that of a volume which is not in the table.
    if (volumes.hasErrors()) return;
    std::error_code error;
    const std::filesystem::directory_iterator end;
    for (std::filesystem::directory_iterator at(paths_.lockMarkDir(), error); !error && at != end;
         at.increment(error)) {
        const auto id = model::VolumeId::parse(at->path().filename().string());
        if (id && volumes.find(id->text()) == nullptr) (void)::unlink(at->path().c_str());
    }
}

}  // namespace volumecrypt::daemon

// SPDX-License-Identifier: Apache-2.0
// backup-header, restore-header. The files are opened here, with the rights of whoever calls: the
// service is handed a descriptor, and never a path.
#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <span>

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"
#include "cli/secrets.h"
#include "cli/session.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::UniqueFd;

// For its owner alone, and never over another.
Result<UniqueFd> newFile(const std::string &path) {
    auto file = base::openFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (file || errno != EEXIST) return file;
    return base::fail(ErrorCode::InvalidConfig,
                      path + " exists already, and a backup is not written over anything",
                      "Name another file, or remove that one first.");
}

// While the job goes on, the file is its.
bool isRunning(Session &session, const std::string &job) {
    const auto jobs = session.client().jobs();
    return jobs && std::ranges::any_of(*jobs, [&](const JobInfo &info) {
               return info.number == job && info.state == "running";
           });
}

// What was made here, unless somebody has put something else in its place.
void removeFile(const std::string &path, const UniqueFd &file) {
    struct stat made {};
    struct stat there {};
    const bool same = ::fstat(file.get(), &made) == 0 && ::lstat(path.c_str(), &there) == 0 &&
                      made.st_dev == there.st_dev && made.st_ino == there.st_ino;
    if (same) (void)::unlink(path.c_str());
}

// The file's content is on the disk; its name as well?
base::Status flushName(const std::string &path) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    VC_ASSIGN(const UniqueFd directory,
              base::openFile(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) < 0)
        return base::fail(base::errnoError("write " + path + " to disk", errno));
    return {};
}

int runBackupHeader(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto file = newFile(arguments.headerFile);
    if (!file) return failed(session, file.error());
    const auto job = session.client().start(arguments.volume, "BackupHeader", {.file = &*file});
    int code = session.finish(job, arguments.volume);
    if (code != kExitDone) {
        if (!job || !isRunning(session, *job)) removeFile(arguments.headerFile, *file);
    } else if (const auto flushed = flushName(arguments.headerFile); !flushed) {
        code = failed(session, flushed.error());
    }
    return code;
}

int runRestoreHeader(Session &session) {
    const Arguments &arguments = session.arguments();
    if (arguments.confirm && *arguments.confirm != arguments.volume)
        return reportUsage("--confirm is not the volume's ID",
                           "It must be " + arguments.volume + ".");
    const auto file = base::openFile(arguments.headerFile, O_RDONLY);
    if (!file) return failed(session, file.error());
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(
        session.client().start(
            arguments.volume, "RestoreHeader",
            {.confirm = arguments.confirm.value_or(""), .secret = &*secret, .file = &*file}),
        arguments.volume);
}

Parameter headerFile(const char *help) {
    return {.name = "FILE",
            .help = help,
            .target = &Arguments::headerFile,
            .offer = Offer::Files,
            .required = true};
}

Parameters takesBackup() {
    return {volume(), headerFile("Where the backup goes: a new file, not on the volume itself")};
}

Parameters takesRestore() {
    Parameter confirmed = confirm();
    confirmed.help =
        "The volume's ID once more: the backup is of it, though neither the damaged header nor "
        "this machine can tell";
    return {volume(), headerFile("The backup"),
            secretFile("Open the backup with the passphrase in this file (- is standard input), "
                       "every byte of it: for when no declared key opens it"),
            std::move(confirmed)};
}

}  // namespace

std::span<const Command> headerCommands() {
    static constexpr std::array rows{
        Command{.group = kChangeVolumes,
                .name = "backup-header",
                .help = "Write a volume's header to a new file; it is as secret as the keys",
                .takes = takesBackup,
                .run = runBackupHeader,
                .footer = "Each key that is in the backup opens the volume by it for good, also "
                          "when it is removed later.\n"},
        Command{.group = kChangeVolumes,
                .name = "restore-header",
                .help = "Write a header backup over the header of a locked volume",
                .takes = takesRestore,
                .run = runRestoreHeader,
                .footer = "Keys that were removed since come back, keys made since go; sync "
                          "afterwards.\n"}};
    return rows;
}

}  // namespace volumecrypt::cli

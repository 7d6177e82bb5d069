// SPDX-License-Identifier: Apache-2.0
// Finds and reads the configuration files.
#include "config/config_files.h"

#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "config/yaml_reader.h"

namespace volumecrypt::config {
namespace {

namespace fs = std::filesystem;

// Group and others: reading gives the passphrase away, writing everything else.
constexpr mode_t kOthersMayUse = 0066;

Problem problemAt(const std::string &path, Level level, base::ErrorCode code, std::string message) {
    return {level, {path, 0, 0}, code, std::move(message), {}};
}

void listDirectory(const std::string &directory, std::map<std::string, std::string> &files,
                   std::vector<Problem> &problems) {
    std::error_code error;
    fs::directory_iterator entry(directory, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.starts_with('.')) continue;
        if (entry->path().extension() == ".yaml")
            files.emplace(name, entry->path().string());
        else if (entry->path().extension() == ".yml")
            problems.push_back(problemAt(entry->path().string(), Level::Warning,
                                         base::ErrorCode::InvalidConfig, nameFault(name)));
    }
    if (error && error != std::errc::no_such_file_or_directory)
        problems.push_back(problemAt(directory, Level::Error, base::ErrorCode::Io,
                                     fmt::format("cannot be listed: {}", error.message())));
}

bool isNullDevice(const struct stat &info) {
    return S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
}

}  // namespace

std::vector<std::string> findFiles(const model::SystemPaths &paths,
                                   std::vector<Problem> &problems) {
    std::map<std::string, std::string> files;  // by name: the first directory wins
    for (const std::string &directory : paths.configDirs())
        listDirectory(directory, files, problems);
    std::vector<std::string> result;
    result.reserve(files.size());
    for (const auto &[name, path] : files) result.push_back(path);
    return result;
}

std::string nameFault(const std::string &path) {
    const fs::path name = fs::path(path).filename();
    if (name.string().starts_with('.')) return "is not read: the name begins with a dot";
    return name.extension() == ".yaml" ? "" : "is not read: the name has to end with .yaml";
}

base::Result<FileContent> readConfigFile(const std::string &path) {
    // O_NONBLOCK: a FIFO by that name must not hang the boot.
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0) return base::fail(base::errnoError("stat " + path, errno));
    FileContent file{{}, info.st_uid, info.st_mode & 07777U};
    if (isNullDevice(info)) return file;
    if (!S_ISREG(info.st_mode))
        return base::fail(base::ErrorCode::InvalidConfig, "is not a regular file");
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size > kLargestFile)
        return base::fail(base::ErrorCode::InvalidConfig, "the file is larger than 1 MiB");
    file.text = base::SecretBuffer(size);
    std::size_t done = 0;
    while (done < size) {
        const ssize_t got = ::read(fd.get(), file.text.chars() + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail(base::errnoError("read " + path, errno));
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    file.text.truncate(done);
    return file;
}

std::string secrecyFault(const FileContent &file) {
    const uid_t self = ::geteuid();
    if (file.owner != 0 && (self == 0 || file.owner != self))
        return fmt::format(
            "the file holds a passphrase but belongs to uid {}: it must belong to root, chown it",
            file.owner);
    if ((file.mode & kOthersMayUse) != 0)
        return fmt::format(
            "the file holds a passphrase but others may read or write it (mode {:04o}): chmod it "
            "to "
            "0600",
            file.mode);
    return {};
}

}  // namespace volumecrypt::config

// SPDX-License-Identifier: Apache-2.0
// Writes files and links into a directory that is fresh and in memory: no temporary files, no
// fsync.
#include "generator/output.h"

#include <array>
#include <cerrno>
#include <span>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/files.h"
#include "base/unique_fd.h"

namespace volumecrypt::generator {
namespace {

base::Status alreadyThere(const std::string &path) {
    return base::fail(
        base::ErrorCode::Busy, path + " exists already and is not ours",
        "Most likely a line of /etc/fstab mounts at the same place: remove one of the "
        "two.");
}

base::Status writeLink(const std::string &path, const std::string &target) {
    if (::symlink(target.c_str(), path.c_str()) == 0) return {};
    if (errno != EEXIST) return base::fail(base::errnoError("link " + path, errno));
    std::array<char, PATH_MAX> old{};
    const ssize_t length = ::readlink(path.c_str(), old.data(), old.size());
    if (length >= 0 && std::string_view(old.data(), static_cast<std::size_t>(length)) == target)
        return {};
    return alreadyThere(path);
}

base::Status writeFile(const std::string &path, const std::string &content) {
    auto file = base::openFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    if (!file) {
        const auto old = base::readFile(path, content.size());
        if (!old) return base::fail(std::move(file).error());
        if (*old == content) return {};
        return alreadyThere(path);
    }
    return base::writeExactly(file->get(), std::as_bytes(std::span(content)), 0);
}

}  // namespace

base::Status writeUnit(const std::string &directory, const units::UnitFile &file) {
    const std::string path = directory + "/" + file.path;
    VC_TRY(base::makeDirectories(path.substr(0, path.rfind('/'))));
    return file.isLink() ? writeLink(path, file.target) : writeFile(path, file.content);
}

}  // namespace volumecrypt::generator

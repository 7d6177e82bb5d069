// SPDX-License-Identifier: Apache-2.0
// Reading and writing of whole files and of byte ranges.
#include "base/files.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope_exit.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {

Result<std::string> readFile(const std::string &path, std::size_t limit) {
    VC_ASSIGN(const UniqueFd fd, openFile(path, O_RDONLY));
    return readAll(fd.get(), path, limit);
}

Result<std::string> readAll(int fd, const std::string &path, std::size_t limit) {
    std::string content;
    char chunk[8192];
    while (true) {
        const ssize_t got = ::read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(errnoError("read " + path, errno));
        if (got == 0) return content;
        if (content.size() + static_cast<std::size_t>(got) > limit)
            return fail(ErrorCode::Io,
                        path + " is longer than " + std::to_string(limit) + " bytes");
        content.append(chunk, static_cast<std::size_t>(got));
    }
}

Status writeFileAtomically(const std::string &path, std::string_view content, unsigned mode,
                           Flush flush) {
    const std::string directory = std::filesystem::path(path).parent_path().string();
    VC_TRY(makeDirectories(directory));
    std::string temporary = path + ".XXXXXX";
    const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd.valid()) return fail(errnoError("create a file beside " + path, errno));
    ScopeExit removeTemporary([&] { ::unlink(temporary.c_str()); });
    if (::fchmod(fd.get(), mode) < 0) return fail(errnoError("set the mode of " + path, errno));
    VC_TRY(writeExactly(fd.get(), std::as_bytes(std::span(content.data(), content.size())), 0));
    if (flush == Flush::Yes && ::fsync(fd.get()) < 0)
        return fail(errnoError("write " + path + " to disk", errno));
    if (::rename(temporary.c_str(), path.c_str()) < 0)
        return fail(errnoError("rename to " + path, errno));
    removeTemporary.release();
    if (flush == Flush::No) return {};
    VC_ASSIGN(const UniqueFd parent, openFile(directory, O_RDONLY | O_DIRECTORY));
    if (::fsync(parent.get()) < 0)
        return fail(errnoError("write " + directory + " to disk", errno));
    return {};
}

Status makeDirectories(const std::string &path, unsigned mode) {
    if (path.empty() || path == "/") return {};
    if (::mkdir(path.c_str(), mode) == 0) return {};
    if (errno == EEXIST) {
        struct stat info {};
        if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
        return fail(ErrorCode::Io, path + " exists and is not a directory");
    }
    if (errno != ENOENT) return fail(errnoError("create " + path, errno));
    VC_TRY(makeDirectories(std::filesystem::path(path).parent_path().string(), mode));
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST)
        return fail(errnoError("create " + path, errno));
    return {};
}

Status readExactly(int fd, std::span<std::byte> bytes, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::pread(fd, bytes.data() + done, bytes.size() - done,
                                    static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(errnoError("read", errno));
        if (got == 0)
            return fail(ErrorCode::Io, "unexpected end at byte " + std::to_string(offset + done));
        done += static_cast<std::size_t>(got);
    }
    return {};
}

Status writeExactly(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t put = ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                                     static_cast<off_t>(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail(errnoError("write", errno));
        done += static_cast<std::size_t>(put);
    }
    return {};
}

}  // namespace volumecrypt::base

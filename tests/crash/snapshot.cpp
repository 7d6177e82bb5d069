// SPDX-License-Identifier: Apache-2.0
// Copies leave holes out: a volume of megabytes has kilobytes of data.
#include "snapshot.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

namespace volumecrypt::crash {
namespace {

namespace fs = std::filesystem;

class File {
  public:
    File(const std::string &path, int flags, mode_t mode = 0)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    File(File &&) = delete;
    File &operator=(File &&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

[[noreturn]] void giveUp() {
    std::abort();
}

void need(bool fine) {
    if (!fine) giveUp();
}

// Calls seen(offset, bytes) for all that is no hole; the size of the file.
template <typename Seen>
off64_t readData(const std::string &path, const Seen &seen) {
    const File file(path, O_RDONLY);
    need(file.fd() >= 0);
    const off64_t size = ::lseek64(file.fd(), 0, SEEK_END);
    std::vector<char> buffer(std::size_t{256} << 10);
    for (off64_t at = 0; at < size;) {
        at = ::lseek64(file.fd(), at, SEEK_DATA);
        if (at < 0) break;  // a hole up to the end
        const off64_t end = ::lseek64(file.fd(), at, SEEK_HOLE);
        need(end > at);
        while (at < end) {
            const auto wanted = std::min(buffer.size(), static_cast<std::size_t>(end - at));
            const ssize_t got = ::pread64(file.fd(), buffer.data(), wanted, at);
            need(got > 0);
            seen(at, std::string_view(buffer.data(), static_cast<std::size_t>(got)));
            at += got;
        }
    }
    return size;
}

void copyFile(const std::string &from, const std::string &to) {
    struct stat info {};
    need(::lstat(from.c_str(), &info) == 0);
    const File target(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    need(target.fd() >= 0 && ::fchmod(target.fd(), info.st_mode & 07777) == 0);
    const off64_t size = readData(from, [&](off64_t offset, std::string_view data) {
        need(::pwrite64(target.fd(), data.data(), data.size(), offset) ==
             static_cast<ssize_t>(data.size()));
    });
    need(::ftruncate64(target.fd(), size) == 0);
}

void copyTree(const std::string &from, const std::string &to) {
    need(fs::create_directory(to));
    fs::permissions(to, fs::status(from).permissions());
    for (const fs::directory_entry &entry : fs::directory_iterator(from)) {
        const std::string target = to + "/" + entry.path().filename().string();
        if (entry.is_symlink())
            fs::copy_symlink(entry.path(), target);
        else if (entry.is_directory())
            copyTree(entry.path(), target);
        else if (entry.is_regular_file())
            copyFile(entry.path(), target);
    }
}

std::uint64_t mixed(std::uint64_t digest, std::uint64_t more) {
    return (digest ^ more) * 0x9E3779B97F4A7C15U + (digest >> 29U);
}

std::uint64_t mixed(std::uint64_t digest, std::string_view text) {
    return mixed(digest, std::hash<std::string_view>{}(text));
}

// Page by page, so that zeroes are what a hole is.
std::uint64_t mixed(std::uint64_t digest, off64_t offset, std::string_view data) {
    constexpr std::size_t kPage = 4096;
    for (std::size_t at = 0; at < data.size(); at += kPage) {
        const std::string_view page = data.substr(at, kPage);
        if (page.find_first_not_of('\0') == std::string_view::npos) continue;
        digest = mixed(mixed(digest, static_cast<std::uint64_t>(offset) + at), page);
    }
    return digest;
}

}  // namespace

bool writeInto(const std::string &path, const void *bytes, std::size_t length, off64_t offset) {
    const File file(path, O_WRONLY);
    if (file.fd() < 0) return false;
    need(::pwrite64(file.fd(), bytes, length, offset) == static_cast<ssize_t>(length));
    return true;
}

Snapshots::Snapshots(std::string source, std::string skipped, const std::string &folder)
    : source_(std::move(source)),
      skipped_(std::move(skipped)),
      folder_(folder),
      points_(folder + "/points") {
    need(points_.good() && skipped_.starts_with(source_ + "/"));
}

std::uint64_t Snapshots::digestOf(const std::string &copy) const {
    const std::string passedOver = copy + skipped_.substr(source_.size());
    std::vector<fs::path> paths;
    for (fs::recursive_directory_iterator at(copy); at != fs::recursive_directory_iterator();
         ++at) {
        if (at->path() == passedOver)
            at.disable_recursion_pending();
        else
            paths.push_back(at->path());
    }
    std::ranges::sort(paths);
    std::uint64_t digest = 0;
    for (const fs::path &path : paths) {
        const fs::file_status status = fs::symlink_status(path);
        digest = mixed(digest, path.string().substr(copy.size()));
        digest = mixed(digest, static_cast<std::uint64_t>(status.permissions()));
        if (fs::is_symlink(status)) digest = mixed(digest, fs::read_symlink(path).string());
        if (!fs::is_regular_file(status)) continue;
        const off64_t size = readData(path, [&](off64_t offset, std::string_view data) {
            digest = mixed(digest, offset, data);
        });
        digest = mixed(digest, static_cast<std::uint64_t>(size));
    }
    return digest;
}

void Snapshots::take(long number, const char *mode, const std::string &operation,
                     const Change &change) {
    const int kept = errno;
    try {
        const std::string copy = folder_ + "/new";
        copyTree(source_, copy);
        change([&](const std::string &path) {
            need(path.starts_with(source_ + "/"));
            return copy + path.substr(source_.size());
        });
        const auto [state, fresh] =
            states_.try_emplace(digestOf(copy), "state" + std::to_string(number) + mode);
        if (fresh)
            fs::rename(copy, folder_ + "/" + state->second);
        else
            fs::remove_all(copy);
        points_ << number << ' ' << mode << ' ' << operation << ' ' << state->second << std::endl;
        need(points_.good());
    } catch (const std::exception &) {
        giveUp();
    }
    errno = kept;
}

}  // namespace volumecrypt::crash

// SPDX-License-Identifier: Apache-2.0
// Preloaded into the engine: counts what it does to the files whose paths begin with one of
// $CUT_SCOPE (separated by colons), writes that down in $CUT_LOG, and takes the power away at
// operation $CUT_AT in the way that $CUT_MODE names:
//   kill     before the operation
//   torn     after half of the write
//   lost     before the operation, and what was not flushed is gone
//   reorder  after the write, of what was not flushed only this write is there
// With $CUT_SNAPSHOTS nothing is cut: there, and for each operation and each mode that makes a
// difference, the folder $CUT_SCOPE is kept as the cut would leave it.

// Both names of a function that takes an offset are to be ours, not one with two names.
#undef _FILE_OFFSET_BITS
#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "snapshot.h"

namespace {

using volumecrypt::crash::Snapshots;
using volumecrypt::crash::writeInto;

template <typename Function>
Function *real(const char *name) {
    void *found = ::dlsym(RTLD_NEXT, name);
    if (found == nullptr) std::abort();
    return reinterpret_cast<Function *>(found);
}

ssize_t realPwrite(int fd, const void *bytes, std::size_t count, off64_t offset) {
    static auto *const function =
        real<ssize_t(int, const void *, std::size_t, off64_t)>("pwrite64");
    return function(fd, bytes, count, offset);
}

// A write that the disk may still forget.
struct Unflushed {
    std::string path;
    off64_t offset = 0;
    std::vector<char> before;
    off64_t sizeBefore = 0;
};

// What is about to be done. Only a write has bytes.
struct Operation {
    const char *kind;
    const std::string &path;
    const void *bytes = nullptr;
    std::size_t length = 0;
    off64_t offset = 0;
};

struct State {
    std::vector<std::string> scope;
    std::string skipped, mode;
    long at = 0;
    int log = -1;
    long count = 0;
    std::vector<Unflushed> unflushed;
    std::unique_ptr<Snapshots> snapshots;
};

std::string environment(const char *name) {
    const char *value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::vector<std::string> parts(const std::string &list) {
    std::vector<std::string> found;
    for (std::size_t begin = 0; begin < list.size();) {
        const std::size_t end = std::min(list.find(':', begin), list.size());
        found.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return found;
}

State &state() {
    static State *const kept = [] {
        auto *made = new State;  // never freed: writes go on until the very end
        made->scope = parts(environment("CUT_SCOPE"));
        made->skipped = environment("CUT_SKIP");
        made->mode = environment("CUT_MODE");
        made->at = std::strtol(environment("CUT_AT").c_str(), nullptr, 10);
        const std::string log = environment("CUT_LOG");
        if (!log.empty()) {
            made->log = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            if (made->log < 0) std::abort();
        }
        if (const std::string folder = environment("CUT_SNAPSHOTS"); !folder.empty())
            made->snapshots = std::make_unique<Snapshots>(made->scope.at(0), made->skipped, folder);
        return made;
    }();
    return *kept;
}

bool inScope(std::string_view path) {
    const State &now = state();
    const auto begins = [path](const std::string &prefix) { return path.starts_with(prefix); };
    if (!std::ranges::any_of(now.scope, begins)) return false;
    return now.skipped.empty() || !path.starts_with(now.skipped);
}

// Empty when the descriptor is none of ours.
std::string pathOf(int fd) {
    const int kept = errno;
    char buffer[4096];
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t length = ::readlink(link.c_str(), buffer, sizeof buffer);
    errno = kept;
    if (length <= 0) return {};
    std::string path(buffer, static_cast<std::size_t>(length));
    // A file made by O_TMPFILE has no other name.
    return inScope(path) ? path : std::string();
}

[[noreturn]] void die() {
    ::kill(::getpid(), SIGKILL);
    ::pause();
    std::abort();
}

bool hasName(const std::string &path) {
    return path.find(" (deleted)") == std::string::npos;
}

void undo(const Unflushed &write, const std::string &path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return;  // removed since
    if (!write.before.empty() &&
        realPwrite(fd, write.before.data(), write.before.size(), write.offset) !=
            static_cast<ssize_t>(write.before.size()))
        std::abort();
    struct stat info {};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > write.sizeBefore &&
        ::ftruncate(fd, write.sizeBefore) < 0)
        std::abort();
    ::close(fd);
}

void loseUnflushed(const Snapshots::Placed &placed) {
    const auto &list = state().unflushed;
    for (auto at = list.rbegin(); at != list.rend(); ++at) undo(*at, placed(at->path));
}

// What a disk writes whole or not at all.
bool isOneSector(const Operation &operation) {
    constexpr std::size_t kSector = 512;
    return operation.length == kSector && operation.offset % kSector == 0;
}

// The disk as the power leaves it.
void leave(const Operation &operation, std::string_view mode, const Snapshots::Placed &placed) {
    if (mode == "lost" || mode == "reorder") loseUnflushed(placed);
    if (mode != "torn" && mode != "reorder") return;
    // Without a name nobody finds it after a power cut.
    if (!hasName(operation.path)) return;
    std::size_t done = operation.length;
    if (mode == "torn") done = isOneSector(operation) ? 0 : done / 2;
    if (!writeInto(placed(operation.path), operation.bytes, done, operation.offset)) std::abort();
}

// The ways in which the power can go here that differ from one another (Operation.modes of run.py).
std::vector<const char *> modesOf(const Operation &operation) {
    const bool unflushed = !state().unflushed.empty();
    std::vector<const char *> modes = {"kill"};
    if (operation.bytes != nullptr && operation.length > 1 && !isOneSector(operation))
        modes.push_back("torn");
    if (operation.bytes != nullptr && unflushed) modes.push_back("reorder");
    if (unflushed) modes.push_back("lost");
    return modes;
}

void logged(const Operation &operation) {
    const State &now = state();
    const std::string line = std::to_string(now.count) + " " + operation.kind + " " +
                             std::to_string(operation.length) + " " +
                             std::to_string(now.unflushed.size()) + " " + operation.path + "\n";
    static auto *const writeOut = real<ssize_t(int, const void *, std::size_t)>("write");
    if (writeOut(now.log, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        std::abort();
}

// Returns unless this operation is the one.
void before(const Operation &operation) {
    State &now = state();
    ++now.count;
    if (now.log >= 0) logged(operation);
    if (now.snapshots) {
        const std::string text =
            std::string(operation.kind) + " " + std::to_string(operation.length);
        for (const char *mode : modesOf(operation))
            now.snapshots->take(now.count, mode, text, [&](const Snapshots::Placed &placed) {
                leave(operation, mode, placed);
            });
    }
    if (now.count != now.at) return;
    leave(operation, now.mode, [](const std::string &path) { return path; });
    die();
}

// Operations that are done or not, never half.
void cutBefore(const char *kind, const std::string &path) {
    if (!path.empty()) before({.kind = kind, .path = path});
}

bool isSynchronous(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_DSYNC) != 0;
}

void remember(int fd, const std::string &path, std::size_t count, off64_t offset) {
    if (isSynchronous(fd)) return;
    Unflushed write{.path = path, .offset = offset, .before = {}, .sizeBefore = 0};
    const int reader = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (reader < 0) return;  // without a name: nobody finds it after a power cut
    struct stat info {};
    if (::fstat(reader, &info) < 0) std::abort();
    write.sizeBefore = info.st_size;
    write.before.resize(count);
    const ssize_t got = ::pread64(reader, write.before.data(), count, offset);
    if (got < 0) std::abort();
    write.before.resize(static_cast<std::size_t>(got));
    ::close(reader);
    state().unflushed.push_back(std::move(write));
}

ssize_t positioned(int fd, const void *bytes, std::size_t length, off64_t offset) {
    const std::string path = pathOf(fd);
    if (path.empty()) return realPwrite(fd, bytes, length, offset);
    before({.kind = "write", .path = path, .bytes = bytes, .length = length, .offset = offset});
    remember(fd, path, length, offset);
    return realPwrite(fd, bytes, length, offset);
}

int flushed(int fd, const char *name) {
    static auto *const realFsync = real<int(int)>("fsync");
    const std::string path = pathOf(fd);
    cutBefore(name, path);
    const int result = realFsync(fd);
    auto &list = state().unflushed;
    if (!path.empty() && result == 0)
        std::erase_if(list, [&](const Unflushed &write) { return write.path == path; });
    return result;
}

std::string fullPath(int directory, const char *path) {
    if (path == nullptr || *path == '\0') return {};
    if (*path == '/') return inScope(path) ? path : std::string();
    if (directory == AT_FDCWD) return {};
    const std::string parent = pathOf(directory);
    return parent.empty() ? parent : parent + "/" + path;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void *bytes, std::size_t length) {
    static auto *const function = real<ssize_t(int, const void *, std::size_t)>("write");
    const std::string path = pathOf(fd);
    if (path.empty()) return function(fd, bytes, length);
    const off64_t offset = ::lseek64(fd, 0, SEEK_CUR);
    before({.kind = "write", .path = path, .bytes = bytes, .length = length, .offset = offset});
    remember(fd, path, length, offset);
    return function(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, std::size_t length, off_t offset) {
    return positioned(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, std::size_t length, off64_t offset) {
    return positioned(fd, bytes, length, offset);
}

// Not used on disks by anything that is tested; to be told when that changes.
ssize_t writev(int fd, const struct iovec *vector, int length) {
    static auto *const function = real<ssize_t(int, const struct iovec *, int)>("writev");
    if (!pathOf(fd).empty()) std::abort();
    return function(fd, vector, length);
}

int fsync(int fd) {
    return flushed(fd, "fsync");
}

int fdatasync(int fd) {
    return flushed(fd, "fdatasync");
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    static auto *const function = real<int(int, int, off_t, off_t)>("fallocate");
    cutBefore("fallocate", pathOf(fd));
    return function(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate(fd, mode, offset, length);
}

int ioctl(int fd, unsigned long request, ...) noexcept {
    static auto *const function = real<int(int, unsigned long, void *)>("ioctl");
    va_list arguments;
    va_start(arguments, request);
    void *const argument = va_arg(arguments, void *);
    va_end(arguments);
    if (request == BLKDISCARD || request == BLKZEROOUT || request == BLKSECDISCARD)
        cutBefore("discard", pathOf(fd));
    return function(fd, request, argument);
}

int rename(const char *from, const char *to) noexcept {
    static auto *const function = real<int(const char *, const char *)>("rename");
    cutBefore("rename", fullPath(AT_FDCWD, to));
    const int result = function(from, to);
    for (Unflushed &write : state().unflushed)
        if (result == 0 && write.path == from) write.path = to;
    return result;
}

int unlink(const char *path) noexcept {
    static auto *const function = real<int(const char *)>("unlink");
    struct stat info {};
    if (::lstat(path, &info) == 0) cutBefore("unlink", fullPath(AT_FDCWD, path));
    return function(path);
}

int linkat(int fromDirectory, const char *from, int toDirectory, const char *to,
           int flags) noexcept {
    static auto *const function = real<int(int, const char *, int, const char *, int)>("linkat");
    cutBefore("link", fullPath(toDirectory, to));
    return function(fromDirectory, from, toDirectory, to, flags);
}
}

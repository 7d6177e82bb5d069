// SPDX-License-Identifier: Apache-2.0
// Reading the salt file, and making it: complete or not at all, and never a second time.
#include "keys/state_salt.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>

#include <sys/random.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_below.h"
#include "base/files.h"
#include "base/mount_info.h"
#include "base/scope_exit.h"
#include "base/unique_fd.h"
#include "crypto/digest.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;

constexpr std::string_view kField = "diskSalt:";
constexpr std::size_t kLongestFile = 8192;
constexpr int kSaltTimeoutMs = 10'000;

base::Error unavailable(std::string message, std::string hint) {
    return {ErrorCode::SaltUnavailable, "encryption salt not available: " + std::move(message),
            std::move(hint)};
}

tl::unexpected<base::Error> corruptSalt(const std::string &what) {
    return base::fail(ErrorCode::HeaderCorrupt,
                      std::string(kSaltFile) + " cannot be understood: " + what,
                      "Restore the file from a backup of STATE; it is never made anew.");
}

// One number of the list, with what may stand around it in a block list or a flow list.
struct NumberReader {
    std::string_view rest;
    base::SecretBuffer salt = base::SecretBuffer(kSaltSize);
    std::size_t count = 0;

    // False when something is there that is no number of the list.
    bool take() {
        unsigned value = 0;
        const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
        if (code != std::errc() || value > 255 || count == kSaltSize) return false;
        salt.bytes()[count++] = static_cast<std::byte>(value);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        return true;
    }
};

bool isZero(const base::SecretBuffer &salt) {
    return salt == base::SecretBuffer(salt.size());
}

// The line on which the list's field begins; comments and a document's start may come before it.
std::size_t findField(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with(kField)) return at;
        const std::size_t end = text.find('\n', at);
        if (end == std::string_view::npos) break;
        at = end + 1;
    }
    return std::string_view::npos;
}

base::Status writeSalt(int fd, const std::string &path) {
    base::SecretBuffer salt(kSaltSize);
    do {
        if (::getrandom(salt.chars(), salt.size(), 0) != static_cast<ssize_t>(salt.size()))
            return base::fail(base::errnoError("make random numbers", errno));
    } while (isZero(salt));
    const base::SecretBuffer text = saltText(salt);
    VC_TRY(base::writeExactly(fd, text.bytes(), 0));
    if (::fchmod(fd, 0600) < 0 || ::fsync(fd) < 0)
        return base::fail(base::errnoError("write " + path + " to disk", errno));
    return {};
}

// An unnamed file gets its name only when it is complete and on the disk, and only when nobody else
// was faster.
base::Status linkUnnamed(int fd, const std::string &path) {
    const std::string self = "/proc/self/fd/" + std::to_string(fd);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ||
        errno == EEXIST)
        return {};
    return base::fail(base::errnoError("create " + path, errno));
}

// For file systems without unnamed files (vfat).
base::Status makeByRename(const std::string &path) {
    std::string temporary = path + ".XXXXXX";
    const base::UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd.valid()) return base::fail(base::errnoError("create a file beside " + path, errno));
    base::ScopeExit removeTemporary([&] { ::unlink(temporary.c_str()); });
    VC_TRY(writeSalt(fd.get(), path));
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) < 0) {
        if (errno == EEXIST) return {};
        return base::fail(base::errnoError("create " + path, errno));
    }
    removeTemporary.release();
    return {};
}

base::Status makeSaltFile(const std::string &directory, const std::string &path) {
    auto fd = base::openFile(directory, O_TMPFILE | O_WRONLY, 0600);
    if (fd) {
        VC_TRY(writeSalt(fd->get(), path));
        VC_TRY(linkUnnamed(fd->get(), path));
    } else {
        VC_TRY(makeByRename(path));
    }
    VC_ASSIGN(const base::UniqueFd parent, base::openFile(directory, O_RDONLY | O_DIRECTORY));
    if (::fsync(parent.get()) < 0)
        return base::fail(base::errnoError("write " + directory + " to disk", errno));
    return {};
}

base::Result<base::SecretBuffer> readSaltFile(const base::FileBelow &file) {
    VC_ASSIGN(const base::UniqueFd fd, base::openBelow(file));
    const auto text = base::readSecret(fd.get(), kLongestFile, kSaltTimeoutMs);
    if (!text) return base::fail(base::Error(text.error()).because(file.path()));
    return parseSalt({text->chars(), text->size()});
}

}  // namespace

base::SecretBuffer saltText(const base::SecretBuffer &salt) {
    // Four blanks, a dash, three digits and the line end for each byte at most.
    base::SecretBuffer text(kField.size() + 1 + salt.size() * 10);
    char *at = text.chars();
    const auto put = [&at](std::string_view piece) {
        for (const char c : piece) *at++ = c;
    };
    put(kField);
    put("\n");
    for (const std::byte byte : salt.bytes()) {
        std::array<char, 4> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                       std::to_integer<unsigned>(byte));
        put("    - ");
        put({digits.data(), static_cast<std::size_t>(end.ptr - digits.data())});
        put("\n");
    }
    text.truncate(static_cast<std::size_t>(at - text.chars()));
    return text;
}

base::Result<base::SecretBuffer> parseSalt(std::string_view text) {
    const std::size_t field = findField(text);
    if (field == std::string_view::npos) return corruptSalt("there is no diskSalt in it");
    NumberReader reader{.rest = text.substr(field + kField.size())};
    while (!reader.rest.empty()) {
        const char c = reader.rest.front();
        if (c == '#') {
            reader.rest.remove_prefix(std::min(reader.rest.find('\n'), reader.rest.size()));
        } else if (c >= '0' && c <= '9') {
            if (!reader.take()) return corruptSalt("it is no list of 32 bytes");
        } else if (std::string_view(" \t\r\n-[],").find(c) != std::string_view::npos) {
            reader.rest.remove_prefix(1);
        } else {
            return corruptSalt("it is no list of bytes");
        }
    }
    if (reader.count != kSaltSize) return corruptSalt("it does not have 32 bytes");
    if (isZero(reader.salt))
        return corruptSalt("value of \"" + std::string(kSaltFile) +
                           "\" is still zero after unmarshaling");
    return std::move(reader.salt);
}

base::Status checkStateMounted(const StatePlace &place) {
    const std::string hint =
        "Unlock and mount STATE (`volumecryptctl unlock STATE`), then try again.";
    struct stat info {};
    if (::stat(place.where.c_str(), &info) < 0 || !S_ISDIR(info.st_mode))
        return base::fail(unavailable("there is no directory " + place.where, hint).withRetry());
    if (place.source.empty()) return {};
    VC_ASSIGN(const bool mounted, base::isMountOf(place.where, place.source));
    if (mounted) return {};
    return base::fail(unavailable("STATE is not mounted at " + place.where, hint).withRetry());
}

base::Result<base::SecretBuffer> StateSalt::load() const {
    if (!place_)
        return base::fail(unavailable(
            "STATE is not validly declared",
            "Correct the document of STATE; `volumecryptctl status` shows what is wrong."));
    VC_TRY(checkStateMounted(*place_));
    const base::FileBelow file{.root = place_->where, .name = kSaltFile};
    auto salt = readSaltFile(file);
    if (!salt && salt.error().code == ErrorCode::NotFound) {
        if (readOnly_)
            return base::fail(unavailable("there is no " + file.path() + " yet",
                                          "The next sync or attach makes it."));
        VC_TRY(makeSaltFile(place_->where, file.path()));
        salt = readSaltFile(file);
    }
    return salt;
}

base::Result<const base::SecretBuffer *> StateSalt::bytes() {
    if (!salt_ && !error_) {
        auto loaded = load();
        if (loaded) {
            salt_ = std::move(*loaded);
        } else {
            // Whatever stands in the way: the key cannot be had for want of the salt.
            error_ = std::move(loaded).error();
            error_->code = ErrorCode::SaltUnavailable;
        }
    }
    if (error_) return base::fail(base::Error(*error_));
    return &*salt_;
}

std::string StateSalt::digest() {
    const auto salt = bytes();
    return salt ? crypto::sha256({(*salt)->chars(), (*salt)->size()}) : std::string();
}

}  // namespace volumecrypt::keys

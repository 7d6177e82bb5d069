// SPDX-License-Identifier: Apache-2.0
// Handles of libcryptsetup (crypt_init, crypt_load), and what its results mean.
#include "luks/library.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// libcryptsetup's state is global anyway: one process, one thread.
std::array<char, 256> lastWords{};

// The API does not tell the version. The library says it once, in a debugging message, when it gets
// its cryptography ready.
std::array<char, 32> version{};

void captureVersion(std::string_view message) noexcept {
    constexpr std::string_view kWords = "library version ";
    const std::size_t at = message.find(kWords);
    if (at == std::string_view::npos) return;
    const std::string_view found = message.substr(at + kWords.size());
    const std::size_t length = std::min(found.find_first_not_of("0123456789."), found.size());
    std::copy_n(found.begin(), std::min(length, version.size() - 1), version.begin());
}

void forgetLastWords() noexcept {
    lastWords.front() = '\0';
}

// Called by C code: a fixed array, so that nothing can be thrown.
void captureLog(int level, const char *message, void * /*unused*/) noexcept {
    if (message == nullptr) return;
    if (level == CRYPT_LOG_DEBUG) captureVersion(message);
    if (level != CRYPT_LOG_ERROR) return;
    const std::size_t length = std::min(std::strlen(message), lastWords.size() - 1);
    std::copy_n(message, length, lastWords.begin());
    lastWords.at(length) = '\0';
}

std::string takeLastWords() {
    std::string_view text(lastWords.data());
    while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.remove_suffix(1);
    std::string words(text);
    forgetLastWords();
    return words;
}

void prepareLibrary() noexcept {
    ::crypt_set_log_callback(nullptr, captureLog, nullptr);
    ::crypt_set_debug_level(version.front() == '\0' ? CRYPT_DEBUG_ALL : CRYPT_DEBUG_NONE);
    // Tokens are read and written by us; no plugin of somebody else shall be loaded for them.
    ::crypt_token_external_disable();
    forgetLastWords();
}

ErrorCode codeOf(int errnoValue, ErrorCode invalid) {
    switch (errnoValue) {
        case EPERM:
            return ErrorCode::KeyRejected;
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return ErrorCode::NotFound;
        case EBUSY:
        case EEXIST:
            return ErrorCode::Busy;
        case ENOSPC:
            return ErrorCode::NoSpace;
        case ENOTSUP:
            return ErrorCode::Unsupported;
        case ETXTBSY:  // requirements of the header that this library does not know
            return ErrorCode::HeaderRefused;
        case EINVAL:
            return invalid;
        default:
            return ErrorCode::Io;
    }
}

}  // namespace

base::Result<CryptDevice> openDevice(const std::string &path) {
    prepareLibrary();
    crypt_device *raw = nullptr;
    const int result = ::crypt_init(&raw, path.c_str());
    if (result < 0) return base::fail(libraryError("open " + path, result));
    return CryptDevice(raw);
}

base::Result<CryptDevice> openDevice(const std::string &header, const std::string &data) {
    prepareLibrary();
    crypt_device *raw = nullptr;
    const int result = ::crypt_init_data_device(&raw, header.c_str(), data.c_str());
    if (result < 0) return base::fail(libraryError("open " + data, result));
    return CryptDevice(raw);
}

base::Result<CryptDevice> loadHeader(const std::string &path) {
    VC_ASSIGN(CryptDevice device, openDevice(path));
    const int result = ::crypt_load(device.get(), CRYPT_LUKS2, nullptr);
    if (result < 0)
        return base::fail(
            libraryError("read the LUKS2 header of " + path, result, ErrorCode::HeaderCorrupt));
    return device;
}

std::string libraryVersion() {
    std::string_view found(version.data());
    while (found.ends_with('.')) found.remove_suffix(1);
    return std::string(found);
}

base::Error libraryError(const std::string &what, int result, ErrorCode invalid) {
    base::Error error(codeOf(-result, invalid),
                      what + ": " + std::generic_category().message(-result));
    const std::string words = takeLastWords();
    if (!words.empty()) error.message += " (libcryptsetup: " + words + ")";
    return error;
}

std::string memoryPath(int memory) {
    return "/proc/self/fd/" + std::to_string(memory);
}

}  // namespace volumecrypt::luks

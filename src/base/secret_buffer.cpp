// SPDX-License-Identifier: Apache-2.0
// Locked memory for secrets and its transport by file descriptor.
#include "base/secret_buffer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/secret_pool.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {
namespace {

constexpr long kStepMs = 100;  // between two questions whether to go on waiting

std::size_t roundToPages(std::size_t size) {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (size + page - 1) / page * page;
}

}  // namespace

SecretBuffer::SecretBuffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    capacity_ = size;
    data_ = SecretPool::instance().take(size);
    if (data_ != nullptr) return;
    const std::span<std::byte> pages = mapSecretPages(roundToPages(size));
    if (pages.empty()) std::abort();
    data_ = pages.data();
    capacity_ = pages.size();
}

SecretBuffer::SecretBuffer(SecretBuffer &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretBuffer &SecretBuffer::operator=(SecretBuffer &&other) noexcept {
    if (this == &other) return *this;
    destroy();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
}

SecretBuffer::~SecretBuffer() {
    destroy();
}

void SecretBuffer::destroy() noexcept {
    if (data_ == nullptr) return;
    if (SecretPool &pool = SecretPool::instance(); pool.owns(data_)) {
        pool.giveBack(data_, capacity_);
    } else {
        ::explicit_bzero(data_, capacity_);
        ::munmap(data_, capacity_);
    }
    data_ = nullptr;
    size_ = capacity_ = 0;
}

SecretBuffer SecretBuffer::copyOf(std::span<const std::byte> bytes) {
    SecretBuffer copy(bytes.size());
    std::ranges::copy(bytes, copy.data_);
    return copy;
}

SecretBuffer SecretBuffer::copyOf(std::string_view text) {
    return copyOf(std::as_bytes(std::span(text.data(), text.size())));
}

const char *SecretBuffer::chars() const noexcept {
    return reinterpret_cast<const char *>(data_);
}

char *SecretBuffer::chars() noexcept {
    return reinterpret_cast<char *>(data_);
}

void SecretBuffer::truncate(std::size_t size) noexcept {
    if (size >= size_) return;
    ::explicit_bzero(data_ + size, size_ - size);
    size_ = size;
}

SecretBuffer SecretBuffer::appended(std::span<const std::byte> tail) const {
    SecretBuffer all(size_ + tail.size());
    std::ranges::copy(tail, std::ranges::copy(bytes(), all.data_).out);
    return all;
}

bool operator==(const SecretBuffer &a, const SecretBuffer &b) noexcept {
    if (a.size_ != b.size_) return false;
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size_; ++i)
        difference |= std::to_integer<unsigned>(a.data_[i] ^ b.data_[i]);
    return difference == 0;
}

Result<SecretBuffer> readSecret(int fd, std::size_t limit, int timeoutMs) {
    return readSecretUnlessStopped(fd, limit, timeoutMs, [] { return Status(); });
}

Result<SecretBuffer> readSecretUnlessStopped(int fd, std::size_t limit, int timeoutMs,
                                             const std::function<Status()> &checkStop) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) return fail(errnoError("read the secret", errno));
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode))
        return fail(ErrorCode::InvalidConfig,
                    "the secret's file descriptor is not a pipe, memfd or regular file",
                    "Pass a pipe or a memfd that holds the secret.");
    const auto tooLong = [&] {
        return fail(ErrorCode::InvalidConfig,
                    "the secret is longer than " + std::to_string(limit) + " bytes");
    };
    if (S_ISREG(info.st_mode) && info.st_size > static_cast<off_t>(limit)) return tooLong();

    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeoutMs);
    SecretBuffer buffer(limit + 1);
    std::size_t filled = 0;
    while (filled <= limit) {
        if (auto goOn = checkStop(); !goOn) return fail(std::move(goOn).error());
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
        // In small steps: a signal between the question above and the wait would be missed.
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::clamp<long>(left, 0, kStepMs)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return fail(errnoError("wait for the secret", errno));
        if (ready == 0 && left > kStepMs) continue;
        if (ready == 0)
            return fail(ErrorCode::InvalidConfig, "no secret arrived within the time allowed",
                        "Write the secret and close the pipe's other end.");
        const ssize_t got = ::read(fd, buffer.chars() + filled, buffer.size() - filled);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return fail(errnoError("read the secret", errno));
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    if (filled > limit) return tooLong();
    if (filled == 0) return fail(ErrorCode::InvalidConfig, "the secret is empty");
    return SecretBuffer::copyOf(buffer.bytes().first(filled));
}

Result<UniqueFd> secretToMemfd(const SecretBuffer &secret) {
    const int fd = ::memfd_create("volumecrypt-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return fail(errnoError("create a memory file", errno));
    UniqueFd owner(fd);
    std::size_t written = 0;
    while (written < secret.size()) {
        const ssize_t n = ::write(fd, secret.chars() + written, secret.size() - written);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errnoError("fill a memory file", errno));
        written += static_cast<std::size_t>(n);
    }
    if (::lseek(fd, 0, SEEK_SET) < 0) return fail(errnoError("rewind a memory file", errno));
    if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return fail(errnoError("seal a memory file", errno));
    return owner;
}

}  // namespace volumecrypt::base

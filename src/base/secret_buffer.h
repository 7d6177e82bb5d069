// SPDX-License-Identifier: Apache-2.0
// The one place where secrets live: locked, excluded from core dumps, wiped at the end.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <span>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::base {

// Fixed size from construction on, move-only. In locked pages (as far as RLIMIT_MEMLOCK allows)
// that are in no core dump and in no child process: small secrets share some (secret_pool.h),
// others have their own; explicit_bzero before they are given back. An empty buffer owns no memory.
class SecretBuffer {
  public:
    SecretBuffer() = default;
    // Zero-filled. Aborts when the kernel has no memory left.
    explicit SecretBuffer(std::size_t size);
    SecretBuffer(SecretBuffer &&other) noexcept;
    SecretBuffer &operator=(SecretBuffer &&other) noexcept;
    SecretBuffer(const SecretBuffer &) = delete;
    SecretBuffer &operator=(const SecretBuffer &) = delete;
    ~SecretBuffer();

    static SecretBuffer copyOf(std::span<const std::byte> bytes);
    static SecretBuffer copyOf(std::string_view text);

    [[nodiscard]] std::span<std::byte> bytes() noexcept { return {data_, size_}; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    // For C interfaces; not NUL-terminated.
    [[nodiscard]] const char *chars() const noexcept;
    [[nodiscard]] char *chars() noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    // Shortens to `size` and wipes what is cut off. `size` must not be larger than size().
    void truncate(std::size_t size) noexcept;
    // This buffer's bytes followed by `tail`, in a new buffer.
    [[nodiscard]] SecretBuffer appended(std::span<const std::byte> tail) const;

    // Constant time in the content.
    friend bool operator==(const SecretBuffer &a, const SecretBuffer &b) noexcept;

  private:
    void destroy() noexcept;

    std::byte *data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

// Secrets are never printed.
std::ostream &operator<<(std::ostream &, const SecretBuffer &) = delete;

// In bytes: the longest passphrase that is taken, from a file, a terminal or a caller of the bus.
// cryptsetup's default limit for key files is 8 MiB; nobody types that.
inline constexpr std::size_t kLongestSecret = std::size_t{8} << 10;

// Reads all of `fd` (pipe, memfd or regular file) into a SecretBuffer: at most `limit` bytes,
// waiting at most `timeoutMs` milliseconds in all. InvalidConfig when it is longer, empty or of
// another file type; Io otherwise.
Result<SecretBuffer> readSecret(int fd, std::size_t limit, int timeoutMs);

// A memfd that holds the secret and is rewound, for passing on by file descriptor; sealed against
// changes.
Result<class UniqueFd> secretToMemfd(const SecretBuffer &secret);

// Of a secret that may never come, for those who can be told to stop waiting:
// readSecret that asks `checkStop` every now and then, and ends with its error.
Result<SecretBuffer> readSecretUnlessStopped(int fd, std::size_t limit, int timeoutMs,
                                             const std::function<Status()> &checkStop);

}  // namespace volumecrypt::base

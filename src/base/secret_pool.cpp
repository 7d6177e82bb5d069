// SPDX-License-Identifier: Apache-2.0
// The allocator of locked memory: first fit over cells of 64 bytes.
#include "base/secret_pool.h"

#include <new>

#include <sys/mman.h>

#include <sanitizer/asan_interface.h>
#include <string.h>

namespace volumecrypt::base {

std::span<std::byte> mapSecretPages(std::size_t size) noexcept {
    void *pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return {};
    // Best effort each: a low RLIMIT_MEMLOCK must not keep a volume locked.
    (void)::mlock(pages, size);
    (void)::madvise(pages, size, MADV_DONTDUMP);
    (void)::madvise(pages, size, MADV_WIPEONFORK);
    return {static_cast<std::byte *>(pages), size};
}

SecretPool &SecretPool::instance() noexcept {
    // Never destroyed: the secrets of static objects go after it would.
    alignas(SecretPool) static std::byte place[sizeof(SecretPool)];
    static SecretPool *const pool = new (place) SecretPool;
    return *pool;
}

SecretPool::SecretPool() noexcept : pages_(mapSecretPages(kCell * kCells)) {
    // What nobody has taken may not be touched: the sanitizer then finds a step beyond a secret.
    ASAN_POISON_MEMORY_REGION(pages_.data(), pages_.size());
}

std::byte *SecretPool::take(std::size_t size) noexcept {
    if (size > kLargest || pages_.empty()) return nullptr;
    const std::size_t wanted = cellsFor(size);
    const std::lock_guard lock(mutex_);
    std::size_t free = 0;
    for (std::size_t cell = 0; cell < kCells; ++cell) {
        free = taken_.test(cell) ? 0 : free + 1;
        if (free < wanted) continue;
        const std::size_t first = cell + 1 - wanted;
        for (std::size_t i = first; i <= cell; ++i) taken_.set(i);
        std::byte *const data = pages_.data() + first * kCell;
        ASAN_UNPOISON_MEMORY_REGION(data, size);
        return data;
    }
    return nullptr;
}

bool SecretPool::owns(const std::byte *data) const noexcept {
    return !pages_.empty() && data >= pages_.data() && data < pages_.data() + pages_.size();
}

void SecretPool::giveBack(std::byte *data, std::size_t size) noexcept {
    ::explicit_bzero(data, size);
    const std::lock_guard lock(mutex_);
    ASAN_POISON_MEMORY_REGION(data, size);
    const auto first = static_cast<std::size_t>(data - pages_.data()) / kCell;
    for (std::size_t i = first; i < first + cellsFor(size); ++i) taken_.reset(i);
}

}  // namespace volumecrypt::base

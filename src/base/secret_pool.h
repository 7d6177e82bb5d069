// SPDX-License-Identifier: Apache-2.0
// Locked memory that small secrets share: a mapping for each of them would cost five system calls
// and a page. Internal to SecretBuffer.
#pragma once

#include <bitset>
#include <cstddef>
#include <mutex>
#include <span>

namespace volumecrypt::base {

// Fresh pages that are locked (as far as RLIMIT_MEMLOCK allows), left out of core dumps and zero in
// a child process; empty when the kernel has none left.
std::span<std::byte> mapSecretPages(std::size_t size) noexcept;

class SecretPool {
  public:
    // The process has one, and keeps it to its end.
    static SecretPool &instance() noexcept;

    // `size` zero bytes; nullptr when that is too much for the pool, or it is full.
    std::byte *take(std::size_t size) noexcept;
    // Whether `data` came from here.
    [[nodiscard]] bool owns(const std::byte *data) const noexcept;
    // Wipes what take() gave.
    void giveBack(std::byte *data, std::size_t size) noexcept;

  private:
    static constexpr std::size_t kCell = 64;
    static constexpr std::size_t kCells = 256;
    static constexpr std::size_t kLargest = 1024;

    SecretPool() noexcept;

    static std::size_t cellsFor(std::size_t size) { return (size + kCell - 1) / kCell; }

    std::span<std::byte> pages_;
    std::mutex mutex_;
    std::bitset<kCells> taken_;
};

}  // namespace volumecrypt::base

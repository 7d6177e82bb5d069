// SPDX-License-Identifier: Apache-2.0
// Sets the KDF of new key slots by crypt_set_pbkdf_type.
#include "luks/kdf_cost.h"

#include <cstdint>
#include <limits>
#include <utility>

#include <unistd.h>

#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

// KdfCost::Minimal: argon2id.
constexpr std::uint32_t kPasses = 4;
constexpr std::uint32_t kMemoryKiB = 32;
constexpr std::uint32_t kLanes = 1;

KdfTurn kdfTurn;

}  // namespace

std::uint64_t ramKiB() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long pageSize = ::sysconf(_SC_PAGESIZE);
    if (pages <= 0 || pageSize <= 0) return 0;
    return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(pageSize) / 1024;
}

void setKdfTurn(KdfTurn turn) {
    kdfTurn = std::move(turn);
}

base::Result<base::UniqueFd> awaitKdfTurn(std::uint64_t memoryKiB) {
    return kdfTurn ? kdfTurn(memoryKiB) : base::UniqueFd();
}

std::uint64_t memoryKiBOf(KdfCost cost) {
    if (cost == KdfCost::Minimal) return kMemoryKiB;
    // The library's benchmark may choose up to 1 GiB.
    return std::numeric_limits<std::uint64_t>::max();
}

base::Status applyCost(crypt_device *device, KdfCost cost) {
    crypt_pbkdf_type minimal{};
    minimal.type = CRYPT_KDF_ARGON2ID;
    minimal.hash = "sha256";
    minimal.iterations = kPasses;
    minimal.max_memory_kb = kMemoryKiB;
    minimal.parallel_threads = kLanes;
    minimal.flags = CRYPT_PBKDF_NO_BENCHMARK;
    // Without a type: the library's default, benchmarked, which takes two seconds and up to 1 GiB.
    const int result =
        ::crypt_set_pbkdf_type(device, cost == KdfCost::Minimal ? &minimal : nullptr);
    if (result < 0) return base::fail(libraryError("choose the cost of a key slot", result));
    return {};
}

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Sets the KDF of new key slots by crypt_set_pbkdf_type.
#include "luks/kdf_cost.h"

#include <limits>
#include <optional>
#include <utility>

#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

std::optional<FixedCost> libraryCost;
KdfTurn kdfTurn;

}  // namespace

void setLibraryCost(const FixedCost &cost) {
    libraryCost = cost;
}

void setKdfTurn(KdfTurn turn) {
    kdfTurn = std::move(turn);
}

base::Result<base::UniqueFd> awaitKdfTurn(std::uint64_t memoryKiB) {
    return kdfTurn ? kdfTurn(memoryKiB) : base::UniqueFd();
}

std::uint64_t memoryKiBOf(KdfCost cost) {
    if (cost == KdfCost::Minimal) return FixedCost{}.memoryKiB;
    // The library's benchmark may choose up to 1 GiB.
    return libraryCost ? libraryCost->memoryKiB : std::numeric_limits<std::uint64_t>::max();
}

base::Status applyCost(crypt_device *device, KdfCost cost) {
    std::optional<FixedCost> fixed = libraryCost;
    if (cost == KdfCost::Minimal) fixed = FixedCost{};
    crypt_pbkdf_type type{};
    if (fixed) {
        type.type = CRYPT_KDF_ARGON2ID;
        type.hash = "sha256";
        type.iterations = fixed->passes;
        type.max_memory_kb = fixed->memoryKiB;
        type.parallel_threads = fixed->lanes;
        type.flags = CRYPT_PBKDF_NO_BENCHMARK;
    }
    // Without a type: the library's default, benchmarked.
    const int result = ::crypt_set_pbkdf_type(device, fixed ? &type : nullptr);
    if (result < 0) return base::fail(libraryError("choose the cost of a key slot", result));
    return {};
}

}  // namespace volumecrypt::luks

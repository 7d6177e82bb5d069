// SPDX-License-Identifier: Apache-2.0
// What new key slots cost to open.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "luks/header_store.h"

struct crypt_device;

namespace volumecrypt::luks {

// argon2id.
struct FixedCost {
    std::uint32_t passes = 4;
    std::uint32_t memoryKiB = 32;
    std::uint32_t lanes = 1;
};

// From now on, in this process, KdfCost::Library costs exactly this and nothing is benchmarked: the
// default takes two seconds and up to 1 GiB for each slot. For tests and for people who must
// say so on a command line; never read from the environment or the configuration.
void setLibraryCost(const FixedCost &cost);

// For the next slot that is added through `device`.
base::Status applyCost(crypt_device *device, KdfCost cost);

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// What new key slots cost to open.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_store.h"

struct crypt_device;

namespace volumecrypt::luks {

// Programs side by side must not exhaust memory. From now on, in this process, each key derivation
// asks for its turn when all that it needs has been read from the disk, which may hang, and holds
// what it got while it runs. An error ends the operation: no key was tried.
using KdfTurn = std::function<base::Result<base::UniqueFd>(std::uint64_t memoryKiB)>;
void setKdfTurn(KdfTurn turn);
base::Result<base::UniqueFd> awaitKdfTurn(std::uint64_t memoryKiB);

// Of this machine.
std::uint64_t ramKiB();

// The most that a new slot of that cost may need.
std::uint64_t memoryKiBOf(KdfCost cost);

// For the next slot that is added through `device`.
base::Status applyCost(crypt_device *device, KdfCost cost);

}  // namespace volumecrypt::luks

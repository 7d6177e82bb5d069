// SPDX-License-Identifier: Apache-2.0
// Making a volume's first header: built whole in memory, where its keys are added and proven.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "luks/header_store.h"
#include "model/volume_spec.h"

namespace volumecrypt::luks {

// One copy of the metadata; 32 key slots with a token each fit.
inline constexpr std::uint64_t kMetadataSize = std::uint64_t{128} << 10;
inline constexpr std::uint64_t kDataOffset = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kAlignment = std::uint64_t{1} << 20;

struct FormatParameters {
    std::string cipher{model::kUsualCipher};
    unsigned keyBits = 512;
    // Bytes, 512 or 4096; the caller has chosen one that the device and its size allow.
    unsigned sectorSize = 512;
    std::uint64_t deviceSize = 0;  // bytes
    // Bytes of the key slot areas; 0: all that there is between the metadata and the data.
    std::uint64_t keyslotsSize = 0;
};

// A header in a memfd.
struct NewHeader {
    base::UniqueFd memory;
    base::SecretBuffer volumeKey;
    std::unique_ptr<HeaderStore> store;  // works on `memory`; add slots and tokens through it
};

// Unsupported for a cipher or key size that this machine cannot do, NoSpace when the device is
// smaller than the header and one sector.
base::Result<NewHeader> buildHeader(const FormatParameters &parameters);

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// The format of the META partition: tagged values, kept twice, with a checksum each; and the older
// format that may still be at its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::meta {

inline constexpr std::size_t kCopySize = std::size_t{256} << 10;
inline constexpr std::size_t kLegacySize = 1024;  // the last bytes of the partition

// Some values are secrets, so all are treated as such.
using Tags = std::map<std::uint32_t, base::SecretBuffer>;

Tags copyOf(const Tags &tags);

// The kCopySize bytes of one copy, tags in ascending order. NoSpace.
base::Result<base::SecretBuffer> encodeCopy(const Tags &tags);
// Of one copy; a tag that is there twice has its last value. HeaderCorrupt when it is damaged.
base::Result<Tags> decodeCopy(std::span<const std::byte> copy);

// Of the kLegacySize bytes of the older format; nothing when there is none. As Talos reads it: the
// checksum is not looked at.
Tags decodeLegacy(std::span<const std::byte> area);

}  // namespace volumecrypt::meta

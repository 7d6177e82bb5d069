// SPDX-License-Identifier: Apache-2.0
// META on a device or in a file: read from the good copy, written copy by copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "meta/adv.h"

namespace volumecrypt::meta {

inline constexpr std::uint32_t kStateEncryptionTag = 9;
inline constexpr std::uint32_t kUuidOverrideTag = 15;

// "StateEncryptionConfig"; empty for a tag that has no name.
std::string tagName(std::uint32_t tag);

// Of the first copy that is whole, else of the second; tags that only the older format at the end
// has are added. A zeroed META is empty. HeaderCorrupt when it holds something else, or is too
// small.
base::Result<Tags> readMeta(const std::string &path);

// Gives the tag this value, or removes it. Only copies that differ are written, first the one that
// is not read from, each on the disk before the next; the older format is left alone. Returns
// whether anything was written. The caller keeps others away.
base::Result<bool> writeTag(const std::string &path, std::uint32_t tag,
                            const std::optional<base::SecretBuffer> &value);

}  // namespace volumecrypt::meta

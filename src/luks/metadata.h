// SPDX-License-Identifier: Apache-2.0
// The two copies of a LUKS2 header as they lie on a device, read without libcryptsetup.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::luks {

inline constexpr std::size_t kBinaryHeaderSize = 4096;
inline constexpr std::uint64_t kSmallestCopy = std::uint64_t{16} << 10;
inline constexpr std::uint64_t kLargestCopy = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kLargestKeyslots = std::uint64_t{128} << 20;  // all areas together

// The fields of the on-disk structure of 4096 bytes that stands before the JSON area; numbers are
// big-endian there.
struct BinaryHeader {
    unsigned version = 0;
    std::uint64_t size = 0;  // bytes of one copy: this structure and its JSON area
    std::uint64_t sequence = 0;
    std::string label;
    std::string checksumAlgorithm;
    std::string uuid;
    std::string subsystem;
    std::uint64_t offset = 0;  // where on the device this copy says it is
};

struct MetadataCopy {
    BinaryHeader binary;
    std::string text;  // of its JSON area
    // That text, parsed; both copies share it when they say the same.
    std::shared_ptr<const nlohmann::json> document;
};

struct Metadata {
    // The copies that are whole and current; at least one.
    std::optional<MetadataCopy> primary;
    std::optional<MetadataCopy> secondary;
    // memfd of those copies, at their device offsets, and of nothing else until libcryptsetup has
    // read it: that writes the missing one.
    base::UniqueFd image;
    std::uint64_t deviceSize = 0;

    [[nodiscard]] const MetadataCopy &current() const { return primary ? *primary : *secondary; }
    [[nodiscard]] bool needsRepair() const { return !primary || !secondary; }
};

// NotLuks2, HeaderCorrupt; Io when no copy can be read. Takes at most 8 MiB, whatever the device
// says.
base::Result<Metadata> readMetadata(int fd);

// In bytes, of a block device or a regular file.
base::Result<std::uint64_t> sizeOfDevice(int fd);

// JSON as libcryptsetup would take it: an object, nested at most 32 deep. HeaderCorrupt.
base::Result<nlohmann::json> parseHeaderJson(std::string_view text);

}  // namespace volumecrypt::luks

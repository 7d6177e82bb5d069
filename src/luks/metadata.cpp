// SPDX-License-Identifier: Apache-2.0
// Finding, checking and comparing the primary and the secondary copy.
#include "luks/metadata.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/files.h"
#include "luks/digest.h"
#include "luks/header_build.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;
using namespace std::string_view_literals;

constexpr std::string_view kPrimaryMagic = "LUKS\xba\xbe"sv;
constexpr std::string_view kSecondaryMagic = "SKUL\xba\xbe"sv;
constexpr std::size_t kChecksumOffset = 448;
constexpr std::size_t kChecksumSize = 64;
constexpr unsigned kMaxDepth = 32;

bool isKnownSize(std::uint64_t size) {
    return size >= kSmallestCopy && size <= kLargestCopy && (size & (size - 1)) == 0;
}

std::uint64_t number(std::string_view bytes, std::size_t offset, std::size_t size) {
    std::uint64_t value = 0;
    for (const char byte : bytes.substr(offset, size))
        value = value << 8U | static_cast<unsigned char>(byte);
    return value;
}

// A field of fixed size, up to its first NUL.
std::string text(std::string_view bytes, std::size_t offset, std::size_t size) {
    const std::string_view field = bytes.substr(offset, size);
    return std::string(field.substr(0, field.find('\0')));
}

BinaryHeader parseBinaryHeader(std::string_view bytes) {
    return BinaryHeader{
        .version = static_cast<unsigned>(number(bytes, 6, 2)),
        .size = number(bytes, 8, 8),
        .sequence = number(bytes, 16, 8),
        .label = text(bytes, 24, 48),
        .checksumAlgorithm = text(bytes, 72, 32),
        .uuid = text(bytes, 168, 40),
        .subsystem = text(bytes, 208, 48),
        .offset = number(bytes, 256, 8),
    };
}

base::Result<std::string> readBytes(int fd, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    VC_TRY(base::readExactly(fd, std::as_writable_bytes(std::span(bytes)), offset));
    return bytes;
}

bool isZero(std::string_view bytes) {
    // Every byte is its neighbour, which memcmp finds out much faster than a loop over bytes does.
    return bytes.empty() ||
           (bytes.front() == '\0' && bytes.substr(1) == bytes.substr(0, bytes.size() - 1));
}

bool checksumHolds(const BinaryHeader &binary, std::string_view bytes) {
    const std::string zeros(kChecksumSize, '\0');
    const auto value = hashOf(
        binary.checksumAlgorithm,
        {bytes.substr(0, kChecksumOffset), zeros, bytes.substr(kChecksumOffset + kChecksumSize)});
    return value && value->size() <= kChecksumSize &&
           bytes.substr(kChecksumOffset, value->size()) == *value;
}

std::string_view jsonArea(const MetadataCopy &copy) {
    return std::string_view(copy.bytes).substr(kBinaryHeaderSize);
}

// The copy at `offset` if it is whole, nothing if it is not; an error only when reading fails.
// `other`: a whole copy that was read before.
base::Result<std::optional<MetadataCopy>> readCopy(int fd, std::uint64_t offset,
                                                   std::uint64_t deviceSize,
                                                   const MetadataCopy *other = nullptr) {
    const std::string_view magic = offset == 0 ? kPrimaryMagic : kSecondaryMagic;
    std::optional<MetadataCopy> none;
    if (offset + kBinaryHeaderSize > deviceSize) return none;
    VC_ASSIGN(const std::string start, readBytes(fd, offset, kBinaryHeaderSize));
    if (!start.starts_with(magic)) return none;
    MetadataCopy copy{.binary = parseBinaryHeader(start), .bytes = {}, .document = {}};
    const BinaryHeader &binary = copy.binary;
    if (binary.version != 2 || binary.offset != offset || !isKnownSize(binary.size)) return none;
    if (offset != 0 && offset != binary.size) return none;
    if (2 * binary.size > deviceSize) return none;
    VC_ASSIGN(copy.bytes, readBytes(fd, offset, static_cast<std::size_t>(binary.size)));
    if (!checksumHolds(binary, copy.bytes)) return none;

    const std::string_view area = jsonArea(copy);
    if (other != nullptr && area == jsonArea(*other)) {
        copy.document = other->document;
        return std::optional<MetadataCopy>(std::move(copy));
    }
    const std::size_t end = area.find('\0');
    if (end == std::string_view::npos || !isZero(area.substr(end))) return none;
    auto document = parseHeaderJson(area.substr(0, end));
    if (!document) return none;
    copy.document = std::make_shared<const nlohmann::json>(std::move(*document));
    return std::optional<MetadataCopy>(std::move(copy));
}

base::Result<std::optional<MetadataCopy>> findSecondary(int fd, std::uint64_t deviceSize) {
    for (std::uint64_t offset = kSmallestCopy; offset <= kLargestCopy; offset *= 2) {
        VC_ASSIGN(auto copy, readCopy(fd, offset, deviceSize));
        if (copy) return copy;
    }
    return std::optional<MetadataCopy>();
}

bool saysTheSame(const MetadataCopy &a, const MetadataCopy &b) {
    return a.binary.size == b.binary.size && a.binary.uuid == b.binary.uuid &&
           a.binary.label == b.binary.label && a.binary.subsystem == b.binary.subsystem &&
           a.binary.checksumAlgorithm == b.binary.checksumAlgorithm && jsonArea(a) == jsonArea(b);
}

tl::unexpected<base::Error> noHeader(std::string_view start) {
    if (!start.starts_with(kPrimaryMagic))
        return base::fail(ErrorCode::NotLuks2, "there is no LUKS2 header");
    const unsigned version = parseBinaryHeader(start).version;
    if (version == 1)
        return base::fail(ErrorCode::NotLuks2, "there is a LUKS1 header, not a LUKS2 one",
                          "Convert it with `cryptsetup convert --type luks2`, or move the data.");
    if (version != 2)
        return base::fail(ErrorCode::NotLuks2, "there is a LUKS header of the unknown version " +
                                                   std::to_string(version));
    return base::fail(ErrorCode::HeaderCorrupt, "both copies of the LUKS2 header are damaged",
                      "Restore the header from a backup.");
}

}  // namespace

base::Result<std::uint64_t> sizeOfDevice(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) return base::fail(base::errnoError("look at the device", errno));
    if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
    std::uint64_t size = 0;
    if (::ioctl(fd, BLKGETSIZE64, &size) < 0)
        return base::fail(base::errnoError("ask for the size of the device", errno));
    return size;
}

base::Result<nlohmann::json> parseHeaderJson(std::string_view text) {
    unsigned depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted && c == '\\') {
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == '[')) {
            if (++depth > kMaxDepth)
                return base::fail(ErrorCode::HeaderCorrupt, "the header's JSON is nested too deep");
        } else if (!quoted && (c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    auto document = nlohmann::json::parse(text, nullptr, false);
    if (!document.is_object())
        return base::fail(ErrorCode::HeaderCorrupt, "the header's JSON cannot be read");
    return document;
}

base::Result<Metadata> readMetadata(int fd) {
    Metadata metadata;
    VC_ASSIGN(metadata.deviceSize, sizeOfDevice(fd));
    if (metadata.deviceSize < 2 * kSmallestCopy)
        return base::fail(ErrorCode::NotLuks2, "too small for a LUKS2 header");
    VC_ASSIGN(const auto interrupted, readFormattingMarker(fd));
    if (interrupted)
        return base::fail(ErrorCode::NotLuks2,
                          "formatting of volume " + *interrupted + " was interrupted here",
                          "Attach or format that volume: it is started over.");
    VC_ASSIGN(const std::string start, readBytes(fd, 0, kBinaryHeaderSize));
    // LUKS1 keeps its key slots where a LUKS2 secondary copy might seem to be: never look there.
    if (start.starts_with(kPrimaryMagic) && parseBinaryHeader(start).version == 1)
        return noHeader(start);

    VC_ASSIGN(metadata.primary, readCopy(fd, 0, metadata.deviceSize));
    if (metadata.primary) {
        const std::uint64_t second = metadata.primary->binary.size;
        VC_ASSIGN(metadata.secondary,
                  readCopy(fd, second, metadata.deviceSize, &*metadata.primary));
    } else {
        VC_ASSIGN(metadata.secondary, findSecondary(fd, metadata.deviceSize));
    }
    if (!metadata.primary && !metadata.secondary) return noHeader(start);
    if (metadata.needsRepair()) return metadata;

    const std::uint64_t first = metadata.primary->binary.sequence;
    const std::uint64_t second = metadata.secondary->binary.sequence;
    if (first < second) metadata.primary.reset();
    if (first > second) metadata.secondary.reset();
    if (first == second && !saysTheSame(*metadata.primary, *metadata.secondary))
        return base::fail(ErrorCode::HeaderCorrupt,
                          "both copies of the LUKS2 header claim the sequence number " +
                              std::to_string(first) + " and differ",
                          "Somebody may have tampered with the disk. Restore the header from a "
                          "backup.");
    return metadata;
}

}  // namespace volumecrypt::luks

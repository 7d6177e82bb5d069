// SPDX-License-Identifier: Apache-2.0
// Talos' ADV (numbers are big-endian) and, for reading, that of syslinux (little-endian).
#include "meta/adv.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "crypto/digest.h"

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;
using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kMagicStart = 0x5a4b3c2d;
constexpr std::uint32_t kMagicEnd = 0xa5b4c3d2;
constexpr std::size_t kChecksumSize = 32;
constexpr std::size_t kEndOffset = kCopySize - 4;
constexpr std::size_t kChecksumOffset = kEndOffset - kChecksumSize;
constexpr std::size_t kDataOffset = 4;
constexpr std::size_t kEntryHead = 8;  // tag and size

constexpr std::uint32_t kLegacyStart = 0x5a2d2fa5;
constexpr std::uint32_t kLegacyEnd = 0xdd28bf64;
constexpr std::size_t kLegacyCopy = 512;

using Checksum = std::array<std::byte, kChecksumSize>;

std::uint32_t bigEndian(Bytes bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (const std::byte byte : bytes.subspan(at, 4))
        value = value << 8U | std::to_integer<std::uint32_t>(byte);
    return value;
}

std::uint32_t littleEndian(Bytes bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;)
        value = value << 8U | std::to_integer<std::uint32_t>(bytes[at + i]);
    return value;
}

void putBigEndian(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) {
    for (std::size_t i = 4; i-- > 0; value >>= 8U) bytes[at + i] = static_cast<std::byte>(value);
}

// Over the whole copy with the checksum's own place zeroed.
Checksum checksumOf(Bytes copy) {
    base::SecretBuffer cleared = base::SecretBuffer::copyOf(copy);
    const auto field = cleared.bytes().subspan(kChecksumOffset, kChecksumSize);
    std::fill(field.begin(), field.end(), std::byte{0});
    const std::string digest = crypto::sha256({cleared.chars(), cleared.size()});
    Checksum sum{};
    static_assert(sizeof sum == crypto::kSha256Size);
    std::memcpy(sum.data(), digest.data(), sum.size());
    return sum;
}

tl::unexpected<base::Error> damaged(const std::string &what) {
    return base::fail(ErrorCode::HeaderCorrupt, what);
}

bool isLegacyCopy(Bytes copy) {
    return littleEndian(copy, 0) == kLegacyStart &&
           littleEndian(copy, kLegacyCopy - 4) == kLegacyEnd;
}

Tags legacyTags(Bytes copy) {
    Tags tags;
    for (Bytes rest = copy.subspan(8, kLegacyCopy - 12); rest.size() >= 2;) {
        const auto tag = std::to_integer<std::uint32_t>(rest[0]);
        const auto size = std::to_integer<std::size_t>(rest[1]);
        if (tag == 0 || size > rest.size() - 2) break;
        tags.insert_or_assign(tag, base::SecretBuffer::copyOf(rest.subspan(2, size)));
        rest = rest.subspan(2 + size);
    }
    return tags;
}

}  // namespace

Tags copyOf(const Tags &tags) {
    Tags copy;
    for (const auto &[tag, value] : tags)
        copy.emplace(tag, base::SecretBuffer::copyOf(value.bytes()));
    return copy;
}

base::Result<base::SecretBuffer> encodeCopy(const Tags &tags) {
    base::SecretBuffer copy(kCopySize);
    const std::span<std::byte> bytes = copy.bytes();
    putBigEndian(bytes, 0, kMagicStart);
    std::size_t at = kDataOffset;
    for (const auto &[tag, value] : tags) {
        if (value.size() + kEntryHead > kChecksumOffset - at)
            return base::fail(ErrorCode::NoSpace, "the values do not fit into META",
                              "Remove tags that nobody needs.");
        putBigEndian(bytes, at, tag);
        putBigEndian(bytes, at + 4, static_cast<std::uint32_t>(value.size()));
        std::copy(value.bytes().begin(), value.bytes().end(),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + kEntryHead));
        at += kEntryHead + value.size();
    }
    putBigEndian(bytes, kEndOffset, kMagicEnd);
    const Checksum sum = checksumOf(bytes);
    std::copy(sum.begin(), sum.end(), bytes.begin() + kChecksumOffset);
    return copy;
}

base::Result<Tags> decodeCopy(std::span<const std::byte> copy) {
    if (copy.size() != kCopySize || bigEndian(copy, 0) != kMagicStart ||
        bigEndian(copy, kEndOffset) != kMagicEnd)
        return damaged("its magic numbers are not there");
    const Checksum sum = checksumOf(copy);
    if (!std::equal(sum.begin(), sum.end(), copy.begin() + kChecksumOffset))
        return damaged("its checksum is wrong");
    Tags tags;
    Bytes rest = copy.subspan(kDataOffset, kChecksumOffset - kDataOffset);
    while (rest.size() >= kEntryHead) {
        const std::uint32_t tag = bigEndian(rest, 0);
        const std::size_t size = bigEndian(rest, 4);
        if (tag == 0) break;
        if (size > rest.size() - kEntryHead) return damaged("a value is longer than the copy");
        tags.insert_or_assign(tag, base::SecretBuffer::copyOf(rest.subspan(kEntryHead, size)));
        rest = rest.subspan(kEntryHead + size);
    }
    return tags;
}

Tags decodeLegacy(std::span<const std::byte> area) {
    if (area.size() != kLegacySize) return {};
    for (const Bytes copy : {area.first(kLegacyCopy), area.last(kLegacyCopy)})
        if (isLegacyCopy(copy)) return legacyTags(copy);
    return {};
}

}  // namespace volumecrypt::meta

// SPDX-License-Identifier: Apache-2.0
// The primary header is at the start; the secondary one follows the first metadata area, whose
// length is one of nine values.
#include <array>
#include <cstddef>
#include <cstring>

#include "base/files.h"
#include "blockdev/signature.h"

namespace volumecrypt::blockdev {
namespace {

using Head = std::array<std::byte, 8>;  // magic, then the version as a big-endian number

constexpr std::array<unsigned char, 6> kPrimary{'L', 'U', 'K', 'S', 0xba, 0xbe};
constexpr std::array<unsigned char, 6> kSecondary{'S', 'K', 'U', 'L', 0xba, 0xbe};
constexpr std::uint64_t kFirstSecondary = 0x4000;
constexpr std::uint64_t kLastSecondary = 0x400000;

bool hasMagic(const Head &head, const std::array<unsigned char, 6> &magic) {
    return std::memcmp(head.data(), magic.data(), magic.size()) == 0;
}

unsigned versionOf(const Head &head) {
    return (std::to_integer<unsigned>(head[6]) << 8U) | std::to_integer<unsigned>(head[7]);
}

}  // namespace

base::Result<LuksMagic> findLuksMagic(int fd, std::uint64_t size) {
    LuksMagic found;
    Head head{};
    if (size < head.size()) return found;
    VC_TRY(base::readExactly(fd, head, 0));
    if (hasMagic(head, kPrimary)) found.primaryVersion = versionOf(head);
    if (found.primaryVersion != 0) return found;
    for (std::uint64_t offset = kFirstSecondary; offset <= kLastSecondary; offset *= 2) {
        if (size < offset + head.size()) break;
        VC_TRY(base::readExactly(fd, head, offset));
        if (hasMagic(head, kSecondary)) found.secondary = true;
    }
    return found;
}

}  // namespace volumecrypt::blockdev

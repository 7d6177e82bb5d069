// SPDX-License-Identifier: Apache-2.0
// Compares the device's size with what its parts need.
#include "volume/content_room.h"

#include <utility>

#include <fmt/format.h>

#include "blockdev/filesystem.h"
#include "luks/header_build.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

std::string sizeText(std::uint64_t bytes) {
    constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
    return bytes % kMebibyte == 0 ? fmt::format("{} MiB", bytes / kMebibyte)
                                  : fmt::format("{} bytes", bytes);
}

base::Status expectRoomBehind(const Session &session, std::uint64_t header, unsigned sectorSize) {
    const model::FilesystemType type = session.spec().filesystem.type;
    // A plain file becomes a volume elsewhere.
    if (!session.device().isFile)
        if (auto there = blockdev::expectMkfs(type); !there)
            return base::fail(std::move(there).error().because(session.describe()));
    const std::uint64_t content = blockdev::smallestFilesystem(type, sectorSize);
    // What is behind the header has at least one sector, and whole ones only.
    const std::uint64_t needed = header + (content == 0 ? sectorSize : content);
    if (session.device().size >= needed) return {};
    std::string parts;
    if (header != 0) parts = "the LUKS2 header takes " + sizeText(header);
    if (content != 0)
        parts += fmt::format("{}{} takes at least {}", parts.empty() ? "" : ", ",
                             model::filesystemName(type), sizeText(content));
    const std::string other = content == 0 ? "" : ", or declare another `filesystem.type`";
    return base::fail(
        ErrorCode::NoSpace,
        fmt::format("{} is too small: it has {}, and {}", session.describe(),
                    sizeText(session.device().size), parts),
        fmt::format("Nothing was written. Make it at least {} large{}.", sizeText(needed), other));
}

}  // namespace

unsigned sectorSizeFor(const Session &session) {
    const unsigned wanted = session.encryption().sectorSize != 0 ? session.encryption().sectorSize
                                                                 : session.device().sectorSize;
    const bool declared = session.encryption().sectorSize != 0;
    // dm-crypt needs the data area to be a whole number of sectors.
    const bool fits = session.device().size % wanted == 0;
    return declared || fits ? wanted : 512;
}

base::Status expectRoom(const Session &session) {
    // The logical sectors of a plain device may be smaller than the physical ones: the lesser need.
    if (!session.spec().encryption) return expectRoomBehind(session, 0, 512);
    return expectRoomBehind(session, luks::kDataOffset, sectorSizeFor(session));
}

base::Status expectRoom(const Session &session, const model::HeaderView &header) {
    const model::SegmentView &data = header.dataSegment();
    return expectRoomBehind(session, data.offset, data.sectorSize);
}

}  // namespace volumecrypt::volume

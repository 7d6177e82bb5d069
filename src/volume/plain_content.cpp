// SPDX-License-Identifier: Apache-2.0
// Compares a plain file system with what its encryption needs.
#include "volume/plain_content.h"

#include <utility>

#include <fmt/format.h>

#include "blockdev/device_users.h"
#include "luks/block_write.h"
#include "luks/encryption_marker.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

constexpr std::uint64_t kPageOfFile = 4096;
constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

std::string wayByWiping(const Session &session) {
    return "Or save what it holds, run `volumecryptctl wipe " + session.id().text() +
           "` and unlock it: it is encrypted and empty then.";
}

base::Status expectUnused(const Session &session) {
    VC_ASSIGN(const auto users, blockdev::usersOf(session.device()));
    if (users.empty()) return {};
    std::string list;
    for (const std::string &user : users) list += (list.empty() ? "" : ", ") + user;
    return base::fail(ErrorCode::Busy, session.describe() + " is in use: " + list,
                      "Nothing was written. Unmount it, or close what is on top of it (`lsblk` "
                      "shows it; `fuser -vm` and the directory, who has files open there), then "
                      "try again.");
}

base::Status expectDeclaredType(const Session &session, const blockdev::Content &content) {
    const model::FilesystemType declared = session.spec().filesystem.type;
    if (declared == model::FilesystemType::None || content.type == model::filesystemName(declared))
        return {};
    return base::fail(ErrorCode::NotBlank,
                      "filesystem type mismatch: " + content.type +
                          " != " + std::string(model::filesystemName(declared)) + " (" +
                          session.describe() + ")",
                      "Nothing was written. Declare the type that is there.");
}

std::string mebibytes(std::uint64_t bytes) {
    return fmt::format("{} MiB", (bytes + kMebibyte - 1) / kMebibyte);
}

// What cannot become smaller, or not by us.
base::Status expectRoomBehind(const Session &session, const PlainContent &plain) {
    if (plain.hasRoom() || plain.extent.shrinks) return {};
    const std::string lacking = mebibytes(plain.extent.bytes - plain.most);
    std::string way = fmt::format(
        "Make the partition larger by {} or more, and leave the file "
        "system as it is. ",
        lacking);
    if (plain.extent.type == "btrfs")
        way = fmt::format(
            "Mount it, make it smaller by {} (btrfs filesystem resize), unmount it and try again. ",
            lacking);
    return base::fail(
        ErrorCode::NoSpace,
        fmt::format("{}: encryption needs 32 MiB behind the {} file system, {} are lacking, and "
                    "it cannot be made smaller here",
                    session.describe(), plain.extent.type, lacking),
        "Nothing was written. " + way + wayByWiping(session));
}

base::Result<unsigned> chooseSectorSize(const Session &session,
                                        const blockdev::FilesystemExtent &extent) {
    constexpr unsigned kLarge = 4096;
    const auto fits = [&](unsigned size) {
        return extent.unit >= size && session.device().size % size == 0;
    };
    const unsigned declared = session.encryption().sectorSize;
    if (declared == 0) return session.device().sectorSize >= kLarge && fits(kLarge) ? kLarge : 512U;
    if (fits(declared)) return declared;
    return base::fail(
        ErrorCode::Unsupported,
        fmt::format("{}: sectors of {} bytes are declared, and the {} file system reads and writes "
                    "pieces of {} bytes, or the device ends within a sector",
                    session.describe(), declared, extent.type, extent.unit),
        "Nothing was written. Remove the declared sector size, or declare 512.");
}

base::Status expectClean(const Session &session, const PlainContent &plain) {
    if (plain.extent.trouble.empty()) return {};
    const std::string check = plain.extent.type.starts_with("ext")
                                  ? ", or run `e2fsck -f " + session.device().node + "`"
                                  : "";
    return base::fail(ErrorCode::Unsupported,
                      session.describe() + ": its file system " + plain.extent.trouble,
                      "Nothing was written. Mount and unmount it" + check + ", then try again.");
}

base::Status expectWhole(const Session &session, const PlainContent &plain) {
    const std::uint64_t size = session.device().size;
    if (size < luks::kTailRoom + luks::kDataShift)
        return base::fail(ErrorCode::NoSpace,
                          session.describe() + " is too small: encryption in place needs 48 MiB",
                          "Nothing was written. " + wayByWiping(session));
    // libcryptsetup takes a page for the sector of a plain file.
    if (session.device().isFile && size % kPageOfFile != 0)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + " ends within a block of 4096 bytes",
                          "Nothing was written. Make the file a multiple of 4096 bytes long.");
    if (plain.extent.bytes > size)
        return base::fail(ErrorCode::Io,
                          session.describe() + " is smaller than the file system on it says",
                          "Nothing was written. Look for the rest of it, or repair it.");
    return expectClean(session, plain);
}

}  // namespace

base::Result<PlainContent> measurePlain(const Session &session, int fd, const std::string &type) {
    PlainContent plain;
    VC_TRY(luks::forgetCached(fd));
    auto extent = blockdev::readExtent(fd, type);
    if (!extent) {
        auto error = std::move(extent).error();
        if (error.hint.empty()) error.hint = "Nothing was written. " + wayByWiping(session);
        return base::fail(std::move(error).because(session.describe()));
    }
    plain.extent = std::move(*extent);
    const std::uint64_t size = session.device().size;
    const std::uint64_t most = size < luks::kTailRoom ? 0 : size - luks::kTailRoom;
    plain.most = most - most % plain.extent.unit;
    VC_TRY(expectWhole(session, plain));
    VC_TRY(expectRoomBehind(session, plain));
    VC_ASSIGN(plain.sectorSize, chooseSectorSize(session, plain.extent));
    return plain;
}

base::Result<PlainContent> expectEncryptable(const Session &session, const DeviceContent &found) {
    if (found.content.kind != blockdev::ContentKind::Filesystem)
        return base::fail(unexpectedContent(session, found));
    if (found.content.hasLuks()) return base::fail(unexpectedContent(session, found));
    VC_TRY(expectUnused(session));
    VC_ASSIGN(const base::UniqueFd device, blockdev::openDevice(session.device(), false));
    VC_ASSIGN(PlainContent plain, measurePlain(session, device.get(), found.content.type));
    VC_ASSIGN(plain.extent.trouble,
              blockdev::logTrouble(session.device().node, found.content.type));
    VC_TRY(expectClean(session, plain));
    VC_TRY(expectDeclaredType(session, found.content));
    return plain;
}

}  // namespace volumecrypt::volume

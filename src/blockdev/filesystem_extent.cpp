// SPDX-License-Identifier: Apache-2.0
// Superblocks of the file systems that can be encrypted where they are.
#include "blockdev/filesystem_extent.h"

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/text.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;

// A part of the device, and the numbers in it.
class Superblock {
  public:
    static base::Result<Superblock> read(int fd, std::uint64_t offset, std::size_t size) {
        Superblock block;
        block.bytes_.resize(size);
        VC_TRY(base::readExactly(fd, block.bytes_, offset));
        return block;
    }
    [[nodiscard]] std::uint64_t little(std::size_t at, std::size_t size) const {
        std::uint64_t number = 0;
        for (std::size_t i = size; i-- > 0;) number = (number << 8U) | byteAt(at + i);
        return number;
    }
    [[nodiscard]] std::uint64_t big(std::size_t at, std::size_t size) const {
        std::uint64_t number = 0;
        for (std::size_t i = 0; i < size; ++i) number = (number << 8U) | byteAt(at + i);
        return number;
    }
    [[nodiscard]] bool has(std::string_view text, std::size_t at) const {
        for (std::size_t i = 0; i < text.size(); ++i)
            if (byteAt(at + i) != static_cast<unsigned char>(text[i])) return false;
        return true;
    }

  private:
    [[nodiscard]] std::uint64_t byteAt(std::size_t at) const {
        return std::to_integer<std::uint64_t>(bytes_.at(at));
    }
    std::vector<std::byte> bytes_;
};

tl::unexpected<base::Error> unknownForm(const std::string &type, const std::string &what) {
    return base::fail(ErrorCode::Unsupported, "this " + type + " " + what);
}

// Unit times count, where that is a number at all.
base::Result<std::uint64_t> product(const std::string &type, std::uint64_t unit,
                                    std::uint64_t count) {
    if (unit == 0 || count == 0 || count > std::numeric_limits<std::int64_t>::max() / unit)
        return unknownForm(type, "says of itself that it has no size, or an impossible one");
    return unit * count;
}

base::Result<FilesystemExtent> extentOfExt(int fd, const std::string &type) {
    constexpr std::uint64_t kRecover = 0x4;
    constexpr std::uint64_t kJournalDevice = 0x8;
    constexpr std::uint64_t kManyBlocks = 0x80;
    VC_ASSIGN(const Superblock block, Superblock::read(fd, 1024, 1024));
    const std::uint64_t shift = block.little(0x18, 4);
    const std::uint64_t incompatible = block.little(0x60, 4);
    if (shift > 6) return unknownForm(type, "has blocks of an impossible size");
    if ((incompatible & kJournalDevice) != 0)
        return unknownForm(type, "is the journal of another file system");
    std::uint64_t blocks = block.little(0x4, 4);
    if ((incompatible & kManyBlocks) != 0) blocks |= block.little(0x150, 4) << 32U;
    FilesystemExtent extent{.type = type};
    extent.unit = 1024U << shift;
    VC_ASSIGN(extent.bytes, product(type, extent.unit, blocks));
    // resize2fs writes the superblock word by word. Killed between two of them it leaves one with
    // a wrong checksum, and the only copy is that of the second group.
    extent.shrinks = blocks > block.little(0x20, 4);
    const std::uint64_t state = block.little(0x3a, 2);
    if ((incompatible & kRecover) != 0)
        extent.trouble = "was not unmounted: its journal is to be replayed";
    else if ((state & 1U) == 0 || (state & 2U) != 0)
        extent.trouble = "is marked as one with errors, or a change of its size was interrupted";
    return extent;
}

base::Result<FilesystemExtent> extentOfXfs(int fd) {
    VC_ASSIGN(const Superblock block, Superblock::read(fd, 0, 512));
    FilesystemExtent extent{.type = "xfs"};
    VC_ASSIGN(extent.bytes, product("xfs", block.big(4, 4), block.big(8, 8)));
    extent.unit = static_cast<unsigned>(block.big(102, 2));
    return extent;
}

base::Result<FilesystemExtent> extentOfBtrfs(int fd) {
    VC_ASSIGN(const Superblock block, Superblock::read(fd, 65536, 4096));
    if (block.little(0x88, 8) != 1) return unknownForm("btrfs", "lies on several devices");
    FilesystemExtent extent{.type = "btrfs"};
    // Of this device, in its dev_item; the file system's own total is the same with one device.
    VC_ASSIGN(extent.bytes, product("btrfs", 1, block.little(0xd1, 8)));
    extent.unit = static_cast<unsigned>(block.little(0x90, 4));
    return extent;
}

base::Result<FilesystemExtent> extentOfVfat(int fd) {
    VC_ASSIGN(const Superblock block, Superblock::read(fd, 0, 512));
    FilesystemExtent extent{.type = "vfat"};
    extent.unit = static_cast<unsigned>(block.little(11, 2));
    const std::uint64_t few = block.little(19, 2);
    VC_ASSIGN(extent.bytes, product("vfat", extent.unit, few != 0 ? few : block.little(32, 4)));
    return extent;
}

base::Result<FilesystemExtent> extentOfSwap(int fd) {
    constexpr std::uint64_t kPage = 4096;
    VC_ASSIGN(const Superblock block, Superblock::read(fd, 0, kPage));
    if (!block.has("SWAPSPACE2", kPage - 10) || block.little(1024, 4) != 1)
        return unknownForm("swap", "is of an old form, or has pages other than of 4096 bytes");
    FilesystemExtent extent{.type = "swap", .unit = kPage, .shrinks = true};
    VC_ASSIGN(extent.bytes, product("swap", kPage, block.little(1028, 4) + 1));
    return extent;
}

}  // namespace

base::Result<std::string> extUuid(int fd) {
    constexpr std::uint64_t kExtMagic = 0xef53;
    VC_ASSIGN(const Superblock block, Superblock::read(fd, 1024, 1024));
    if (block.little(0x38, 2) != kExtMagic) return std::string();
    std::string uuid;
    for (std::size_t at = 0; at < 16; ++at) uuid += static_cast<char>(block.little(0x68 + at, 1));
    return base::toHex(uuid);
}

base::Result<FilesystemExtent> readExtent(int fd, const std::string &type) {
    auto extent = [&]() -> base::Result<FilesystemExtent> {
        if (type == "ext2" || type == "ext3" || type == "ext4") return extentOfExt(fd, type);
        if (type == "xfs") return extentOfXfs(fd);
        if (type == "btrfs") return extentOfBtrfs(fd);
        if (type == "vfat") return extentOfVfat(fd);
        if (type == "swap") return extentOfSwap(fd);
        if (type == "swsuspend")
            return unknownForm("swap", "holds a machine that was suspended to it");
        return base::fail(ErrorCode::Unsupported,
                          "a file system of type " + type + " cannot be encrypted where it is");
    }();
    if (extent && (extent->unit < 512 || (extent->unit & (extent->unit - 1)) != 0))
        return unknownForm(type, "has sectors of an impossible size");
    return extent;
}

}  // namespace volumecrypt::blockdev

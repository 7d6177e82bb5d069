// SPDX-License-Identifier: Apache-2.0
// Decrypts both ends of the data into memory, where libblkid and our own reading of superblocks see
// them.
#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/files.h"
#include "blockdev/content.h"
#include "crypto/xts.h"
#include "luks/block_write.h"
#include "luks/decryption.h"
#include "volume/decryption.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

constexpr std::uint64_t kDecryptedEnd = std::uint64_t{1} << 20;
constexpr std::uint64_t kOneMebibyte = std::uint64_t{1} << 20;

std::string nothingWritten(const Session &session) {
    return "Nothing was written. Or copy what it holds elsewhere, run `volumecryptctl wipe " +
           session.id().text() + "`, and unlock it: it is plain and empty then.";
}

base::Status expectLayout(const Session &session, const model::HeaderView &view) {
    const model::SegmentView &data = view.dataSegment();
    std::string what;
    if (data.cipher != "aes-xts-plain64")
        what = "is encrypted with " + data.cipher + ", and only aes-xts-plain64 is decrypted";
    else if (data.size != "dynamic")
        what = "has a data segment of a fixed size";
    else if (data.offset % luks::kDecryptionBlock != 0 || data.offset < luks::kDecryptionHead ||
             2 * view.metadataSize > luks::kDecryptionHead)
        what = "has a header of a size with which it cannot be decrypted";
    if (what.empty()) return {};
    return base::fail(ErrorCode::Unsupported, session.describe() + " " + what + " where it is",
                      nothingWritten(session));
}

// The data of the volume in a file in memory, of which all but the ends is a hole.
class PlainEnds {
  public:
    PlainEnds(int device, const model::SegmentView &data, std::uint64_t deviceSize)
        : device_(device),
          data_(data),
          size_((deviceSize - data.offset) / data.sectorSize * data.sectorSize) {}

    base::Status read(const base::SecretBuffer &volumeKey) {
        VC_ASSIGN(memory_, base::makeMemfd("volumecrypt-plain-ends"));
        if (::ftruncate(memory_.get(), static_cast<off_t>(size_)) < 0)
            return base::fail(base::errnoError("make room for a part of the data", errno));
        VC_ASSIGN(crypto::XtsDecryptor decryptor, crypto::XtsDecryptor::start(volumeKey));
        const std::uint64_t length = std::min(kDecryptedEnd, size_);
        for (const std::uint64_t at : {std::uint64_t{0}, size_ - length}) {
            std::vector<std::byte> bytes(length);
            VC_TRY(base::readExactly(device_, bytes, data_.offset + at));
            VC_TRY(decryptor.decrypt(bytes, data_.sectorSize, data_.ivTweak + at / 512));
            VC_TRY(base::writeExactly(memory_.get(), bytes, at));
        }
        return {};
    }
    [[nodiscard]] int fd() const { return memory_.get(); }
    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    int device_;
    const model::SegmentView &data_;
    std::uint64_t size_;
    base::UniqueFd memory_;
};

base::Result<blockdev::Content> expectFilesystem(const Session &session, const PlainEnds &ends) {
    VC_ASSIGN(blockdev::Content content, blockdev::probeContent(ends.fd(), ends.size()));
    const model::FilesystemType declared = session.spec().filesystem.type;
    if (content.kind != blockdev::ContentKind::Filesystem || content.hasLuks())
        return base::fail(ErrorCode::NotBlank,
                          session.describe() + " holds " + content.describe() +
                              " in its encryption, not a file system that could stay",
                          nothingWritten(session) +
                              " An ext4 of which a change of size was interrupted looks like "
                              "this: declare its `encryption` again, unlock and repair it.");
    if (declared == model::FilesystemType::None || content.type == model::filesystemName(declared))
        return content;
    return base::fail(ErrorCode::NotBlank,
                      "filesystem type mismatch: " + content.type +
                          " != " + std::string(model::filesystemName(declared)) + " (" +
                          session.describe() + ")",
                      "Nothing was written. Declare the type that is there.");
}

base::Status expectTrusted(const Session &session, const EncryptedContent &content,
                           const PlainEnds &ends) {
    const blockdev::FilesystemExtent &extent = content.extent;
    std::string begin(luks::kDecryptionMarkerSize, '\0');
    VC_TRY(base::readExactly(ends.fd(), std::as_writable_bytes(std::span(begin)), 0));
    if (begin.starts_with("LUKS") || begin.starts_with("VOLUMECRYPT-"))
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + ": its file system begins as a marker of ours does",
                          nothingWritten(session));
    if (extent.bytes < luks::kDecryptionHead)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + ": its file system is smaller than 1 MiB",
                          nothingWritten(session));
    if (extent.bytes > ends.size())
        return base::fail(ErrorCode::Io,
                          session.describe() + " is smaller than the file system in it says",
                          "Nothing was written. Look for the rest of it, or repair it.");
    if (extent.trouble.empty()) return {};
    return base::fail(
        ErrorCode::Unsupported, session.describe() + ": its file system " + extent.trouble,
        "Nothing was written. Declare its `encryption` again, unlock it, mount and unmount it, or "
        "repair it; lock it, and try again.");
}

base::Status expectRoom(const Session &session, const EncryptedContent &content) {
    if (content.hasRoom()) return {};
    const std::uint64_t lacking =
        (content.extent.bytes - content.most + kOneMebibyte - 1) / kOneMebibyte;
    const bool canShrink = content.extent.shrinks && !session.device().isFile;
    if (canShrink && content.most >= luks::kDecryptionHead) return {};
    std::string way = fmt::format(
        "Make the partition larger by {} MiB or more, and leave the file "
        "system as it is. ",
        lacking);
    if (content.extent.type == "btrfs")
        way = fmt::format(
            "Declare its `encryption` again, mount it, make it smaller by {} MiB (btrfs filesystem "
            "resize), lock it, and try again. ",
            lacking);
    return base::fail(
        ErrorCode::NoSpace,
        fmt::format("{}: decryption needs {} MiB behind the {} file system, {} MiB are lacking, "
                    "and it cannot be made smaller here",
                    session.describe(),
                    (content.places.dataOffset + luks::kDecryptionRoom) / kOneMebibyte,
                    content.extent.type, lacking),
        way + nothingWritten(session));
}

}  // namespace

base::Result<EncryptedContent> measureEncrypted(const Session &session, int fd,
                                                const model::HeaderView &view,
                                                const base::SecretBuffer &volumeKey) {
    VC_TRY(expectLayout(session, view));
    const model::SegmentView &data = view.dataSegment();
    const std::uint64_t size = session.device().size;
    const std::uint64_t tail = data.offset + luks::kDecryptionRoom;
    if (size < tail + data.offset + luks::kDecryptionHead)
        return base::fail(ErrorCode::NoSpace, session.describe() + " is too small to be decrypted",
                          nothingWritten(session));
    VC_TRY(luks::forgetCached(fd));
    PlainEnds ends(fd, data, size);
    VC_TRY(ends.read(volumeKey));
    VC_ASSIGN(const blockdev::Content found, expectFilesystem(session, ends));
    EncryptedContent content;
    auto extent = blockdev::readExtent(ends.fd(), found.type);
    if (!extent) {
        auto error = std::move(extent).error().because(session.describe());
        if (error.hint.empty()) error.hint = nothingWritten(session);
        return base::fail(std::move(error));
    }
    content.extent = std::move(*extent);
    content.places.volume = session.id().text();
    content.places.dataOffset = data.offset;
    content.places.tail = size / luks::kDecryptionBlock * luks::kDecryptionBlock - tail;
    content.most = content.places.tail - data.offset;
    content.most -= content.most % content.extent.unit;
    content.places.length = (content.extent.bytes + luks::kDecryptionBlock - 1) /
                            luks::kDecryptionBlock * luks::kDecryptionBlock;
    VC_TRY(expectTrusted(session, content, ends));
    VC_TRY(expectRoom(session, content));
    return content;
}

}  // namespace volumecrypt::volume

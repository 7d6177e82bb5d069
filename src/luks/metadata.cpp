// SPDX-License-Identifier: Apache-2.0
// Finds, checks and compares the primary and the secondary copy of a LUKS2 header.
#include "luks/metadata.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/foreign_json.h"
#include "crypto/digest.h"
#include "luks/header_image.h"
#include "luks/header_write.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;
using namespace std::string_view_literals;

constexpr std::string_view kPrimaryMagic = "LUKS\xba\xbe"sv;
constexpr std::string_view kSecondaryMagic = "SKUL\xba\xbe"sv;
constexpr std::size_t kChecksumOffset = 448;
constexpr std::size_t kChecksumSize = 64;

constexpr const char *kRestoreHint =
    "Restore the header from a backup: `volumecryptctl restore-header ID FILE`.";

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

// The size of the copy that seems to start with `start`, which is at `offset` of the device.
std::optional<std::size_t> sizeOfCopy(std::string_view start, std::uint64_t offset,
                                      std::uint64_t deviceSize) {
    if (!start.starts_with(offset == 0 ? kPrimaryMagic : kSecondaryMagic)) return {};
    const BinaryHeader binary = parseBinaryHeader(start);
    if (binary.version != 2 || binary.offset != offset || !isKnownSize(binary.size)) return {};
    if (offset != 0 && offset != binary.size) return {};
    if (2 * binary.size > deviceSize) return {};
    return static_cast<std::size_t>(binary.size);
}

// A copy in an image, read and hashed piece by piece: most of its bytes are padding, and this
// process need not have them all.
class CopyReader {
  public:
    CopyReader(int image, std::uint64_t offset) : image_(image), offset_(offset) {}

    // Whether the copy is whole, as far as its checksum and its padding say; afterwards `binary`
    // and `text` are there. `end` is that of the image.
    base::Result<bool> read(std::uint64_t end) {
        VC_ASSIGN(const std::string_view start, piece(0, kBinaryHeaderSize));
        const auto size = sizeOfCopy(start, offset_, end);
        if (!size) return false;
        binary = parseBinaryHeader(start);
        const std::string stored(start.substr(kChecksumOffset, kChecksumSize));
        auto hash = crypto::Hash::start(binary.checksumAlgorithm);
        if (!hash) return false;
        constexpr char kZeros[kChecksumSize] = {};
        bool hashed = hash->update(start.substr(0, kChecksumOffset)) &&
                      hash->update(std::string_view(kZeros, kChecksumSize)) &&
                      hash->update(start.substr(kChecksumOffset + kChecksumSize));
        for (std::size_t at = kBinaryHeaderSize; at < *size;) {
            VC_ASSIGN(const std::string_view next,
                      piece(at, std::min(crypto::kHashPiece, *size - at)));
            hashed = hashed && hash->update(next);
            take(next);
            at += next.size();
        }
        // A hash that is no checksum (libcrypto has one of no length) holds for everything.
        const auto value = hash->finish();
        return hashed && value && value->size() >= crypto::kSha256Size &&
               stored.starts_with(*value) && ended_ && padded_;
    }

    BinaryHeader binary;
    std::string text;  // of the JSON area, up to its first NUL

  private:
    base::Result<std::string_view> piece(std::uint64_t at, std::size_t size) {
        const auto bytes = std::span(buffer_).first(size);
        VC_TRY(base::readExactly(image_, bytes, offset_ + at));
        return crypto::asText(bytes);
    }

    void take(std::string_view bytes) {
        if (!ended_) {
            const std::size_t length = std::min(bytes.find('\0'), bytes.size());
            text += bytes.substr(0, length);
            bytes.remove_prefix(length);
            ended_ = !bytes.empty();
        }
        padded_ = padded_ && isZero(bytes);
    }

    int image_;
    std::uint64_t offset_;
    bool ended_ = false, padded_ = true;
    std::array<std::byte, crypto::kHashPiece> buffer_;
};

// The copy at `offset` of an image that ends at `end`, if it is whole. `other`: a whole copy that
// was read before.
base::Result<std::optional<MetadataCopy>> findCopy(const base::UniqueFd &image,
                                                   std::uint64_t offset, std::uint64_t end,
                                                   const MetadataCopy *other = nullptr) {
    std::optional<MetadataCopy> none;
    CopyReader reader(image.get(), offset);
    VC_ASSIGN(const bool whole, reader.read(end));
    if (!whole) return none;
    MetadataCopy copy{
        .binary = std::move(reader.binary), .text = std::move(reader.text), .document = {}};
    if (other != nullptr && copy.text == other->text) {
        copy.document = other->document;
        return std::optional<MetadataCopy>(std::move(copy));
    }
    auto document = parseHeaderJson(copy.text);
    if (!document) return none;
    copy.document = std::make_shared<const nlohmann::json>(std::move(*document));
    return std::optional<MetadataCopy>(std::move(copy));
}

// Reads the copies one by one. One that cannot be read is none, like one that is damaged: the other
// is there for that.
class Search {
  public:
    Search(int device, std::uint64_t deviceSize) : device_(device), deviceSize_(deviceSize) {}

    // The copies that are whole, alone in their image; none at all when nothing could be read that
    // may be one.
    Metadata run(std::string_view start) {
        Metadata metadata;
        metadata.deviceSize = deviceSize_;
        if (const auto size = sizeOfCopy(start, 0, deviceSize_))
            metadata.primary = take(read(metadata.image, 0, *size));
        if (metadata.primary) {
            const std::uint64_t size = metadata.primary->binary.size;
            metadata.secondary = take(read(metadata.image, size, size, &*metadata.primary));
        } else {
            findSecondary(metadata);
        }
        return metadata;
    }

    // Why a copy could not be read.
    [[nodiscard]] const std::optional<base::Error> &trouble() const { return trouble_; }

    template <typename T>
    std::optional<T> orNone(base::Result<T> result) {
        if (result) return std::move(*result);
        if (!trouble_) trouble_ = std::move(result).error();
        return {};
    }

  private:
    base::Result<std::optional<MetadataCopy>> read(base::UniqueFd &image, std::uint64_t offset,
                                                   std::uint64_t size,
                                                   const MetadataCopy *other = nullptr) {
        if (!image.valid()) {
            VC_ASSIGN(image, newImage());
        }
        VC_TRY(copyIn(image.get(), device_, offset, size, "the header"));
        return findCopy(image, offset, 2 * size, other);
    }

    std::optional<MetadataCopy> take(base::Result<std::optional<MetadataCopy>> found) {
        return orNone(std::move(found)).value_or(std::nullopt);
    }

    // Where it may be when the primary copy does not tell.
    void findSecondary(Metadata &metadata) {
        for (std::uint64_t offset = kSmallestCopy; offset <= kLargestCopy; offset *= 2) {
            if (offset + kBinaryHeaderSize > deviceSize_) return;
            const auto start = orNone(readBytes(device_, offset, kBinaryHeaderSize));
            if (!start || !sizeOfCopy(*start, offset, deviceSize_)) continue;
            metadata.image.reset();
            metadata.secondary = take(read(metadata.image, offset, offset));
            if (metadata.secondary) return;
        }
    }

    int device_;
    std::uint64_t deviceSize_;
    std::optional<base::Error> trouble_;
};

// Of two whole copies of different age the older one is none.
void dropOlder(Metadata &metadata) {
    if (metadata.needsRepair()) return;
    const std::uint64_t first = metadata.primary->binary.sequence;
    const std::uint64_t second = metadata.secondary->binary.sequence;
    if (first < second) metadata.primary.reset();
    if (first > second) metadata.secondary.reset();
}

bool saysTheSame(const MetadataCopy &a, const MetadataCopy &b) {
    return a.binary.size == b.binary.size && a.binary.uuid == b.binary.uuid &&
           a.binary.label == b.binary.label && a.binary.subsystem == b.binary.subsystem &&
           a.binary.checksumAlgorithm == b.binary.checksumAlgorithm && a.text == b.text;
}

tl::unexpected<base::Error> noHeader(std::string_view start) {
    if (!start.starts_with(kPrimaryMagic))
        return base::fail(ErrorCode::NotLuks2, "there is no LUKS2 header");
    const unsigned version = parseBinaryHeader(start).version;
    if (version == 1)
        return base::fail(
            ErrorCode::NotLuks2, "there is a LUKS1 header, not a LUKS2 one",
            "Convert it with `cryptsetup convert DEVICE --type luks2`, or move the data.");
    if (version != 2)
        return base::fail(ErrorCode::NotLuks2, "there is a LUKS header of the unknown version " +
                                                   std::to_string(version));
    return base::fail(ErrorCode::HeaderCorrupt, "both copies of the LUKS2 header are damaged",
                      kRestoreHint);
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
    if (base::isNestedTooDeep(text))
        return base::fail(ErrorCode::HeaderCorrupt, "the header's JSON is nested too deep");
    auto document = base::parseForeignJson(text);
    if (!document.is_object())
        return base::fail(ErrorCode::HeaderCorrupt, "the header's JSON cannot be read");
    return document;
}

base::Result<Metadata> readMetadata(int fd) {
    VC_ASSIGN(const std::uint64_t deviceSize, sizeOfDevice(fd));
    if (deviceSize < 2 * kSmallestCopy)
        return base::fail(ErrorCode::NotLuks2, "too small for a LUKS2 header");
    Search search(fd, deviceSize);
    const std::string start =
        search.orNone(readBytes(fd, 0, kBinaryHeaderSize)).value_or(std::string());
    if (const auto interrupted = formattingMarkerIn(start))
        return base::fail(ErrorCode::NotLuks2,
                          "formatting of volume " + *interrupted + " was interrupted here",
                          "Attach or format that volume: it is started over.");
    // LUKS1 keeps its key slots where a LUKS2 secondary copy might seem to be: never look there.
    if (start.starts_with(kPrimaryMagic) && parseBinaryHeader(start).version == 1)
        return noHeader(start);

    Metadata metadata = search.run(start);
    if (!metadata.primary && !metadata.secondary)
        return search.trouble() ? base::fail(*search.trouble()) : noHeader(start);
    dropOlder(metadata);
    if (!metadata.needsRepair() && !saysTheSame(*metadata.primary, *metadata.secondary))
        return base::fail(ErrorCode::HeaderCorrupt,
                          "both copies of the LUKS2 header claim the sequence number " +
                              std::to_string(metadata.current().binary.sequence) + " and differ",
                          std::string("Somebody may have tampered with the disk. ") + kRestoreHint);
    // libcryptsetup must not choose another copy than we did.
    const std::uint64_t size = metadata.current().binary.size;
    if (!metadata.primary) VC_TRY(leaveOut(metadata.image.get(), 0, size));
    if (!metadata.secondary) VC_TRY(leaveOut(metadata.image.get(), size, size));
    return metadata;
}

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// The binary header is taken from the present copy, with what belongs to one writing made anew:
// sequence number, salt, checksum.
#include "luks/metadata_write.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <utility>

#include <sys/random.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "crypto/digest.h"
#include "luks/header_image.h"
#include "luks/header_lock.h"
#include "luks/header_read.h"
#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// Of the binary header.
constexpr std::size_t kSequenceOffset = 16;
constexpr std::size_t kSaltOffset = 104;
constexpr std::size_t kSaltSize = 64;
constexpr std::size_t kOwnOffset = 256;
constexpr std::size_t kSumOffset = 448;
constexpr std::size_t kSumSize = 64;
constexpr std::string_view kMagicOfPrimary("LUKS\xba\xbe", 6);
constexpr std::string_view kMagicOfSecondary("SKUL\xba\xbe", 6);

void putBigEndian(std::string &block, std::size_t offset, std::uint64_t value) {
    for (std::size_t i = 0; i < sizeof value; ++i)
        block[offset + i] = static_cast<char>(value >> (8 * (sizeof value - 1 - i)));
}

base::Status writeText(int fd, std::string_view text, std::uint64_t offset) {
    return base::writeExactly(fd, std::as_bytes(std::span(text.data(), text.size())), offset);
}

base::Status flushCopy(int fd) {
    if (::fsync(fd) < 0) return base::fail(base::errnoError("write the header to disk", errno));
    return {};
}

// The bytes of one copy.
class CopyMaker {
  public:
    CopyMaker(const Metadata &metadata, std::string json)
        : metadata_(metadata), json_(std::move(json)) {}

    [[nodiscard]] std::uint64_t size() const { return metadata_.current().binary.size; }

    [[nodiscard]] base::Result<std::string> make(bool primary) const {
        // Of the copy that was read, wherever that was.
        std::string copy(kBinaryHeaderSize, '\0');
        VC_TRY(base::readExactly(metadata_.image.get(), std::as_writable_bytes(std::span(copy)),
                                 metadata_.primary ? 0 : size()));
        const std::string_view magic = primary ? kMagicOfPrimary : kMagicOfSecondary;
        copy.replace(0, magic.size(), magic);
        putBigEndian(copy, kSequenceOffset, metadata_.current().binary.sequence + 1);
        putBigEndian(copy, kOwnOffset, primary ? 0 : size());
        if (::getrandom(copy.data() + kSaltOffset, kSaltSize, 0) != ssize_t{kSaltSize})
            return base::fail(base::errnoError("get random bytes", errno));
        copy.replace(kSumOffset, kSumSize, kSumSize, '\0');
        copy += json_;
        copy.resize(size(), '\0');
        VC_ASSIGN(auto hash, crypto::Hash::start(metadata_.current().binary.checksumAlgorithm));
        VC_TRY(hash.update(copy));
        VC_ASSIGN(const std::string checksum, hash.finish());
        copy.replace(kSumOffset, checksum.size(), checksum);
        return copy;
    }

  private:
    const Metadata &metadata_;
    std::string json_;
};

// Whether libcryptsetup reads out of these copies what we wrote into them.
base::Status tryOut(const CopyMaker &maker, const nlohmann::json &document,
                    std::uint64_t headerSize) {
    VC_ASSIGN(const base::UniqueFd image, newImage());
    VC_ASSIGN(const std::string primary, maker.make(true));
    VC_ASSIGN(const std::string secondary, maker.make(false));
    VC_TRY(writeText(image.get(), primary, 0));
    VC_TRY(writeText(image.get(), secondary, maker.size()));
    if (::ftruncate(image.get(), static_cast<off_t>(headerSize)) < 0)
        return base::fail(base::errnoError("make room for a copy of the header", errno));
    VC_ASSIGN(const CryptDevice library, loadHeader(memoryPath(image.get())));
    VC_ASSIGN(const Metadata metadata, readMetadata(image.get()));
    if (metadata.needsRepair() || *metadata.current().document != document)
        return base::fail(ErrorCode::Internal, "a header was made that reads otherwise");
    return understoodAlike(library.get(), metadata);
}

base::Status writeCopies(int fd, const CopyMaker &maker, bool primaryFirst) {
    for (const bool primary : {primaryFirst, !primaryFirst}) {
        VC_ASSIGN(const std::string copy, maker.make(primary));
        // The binary header last: without it the rest is nothing.
        const std::uint64_t offset = primary ? 0 : maker.size();
        const std::string_view bytes(copy);
        VC_TRY(writeText(fd, bytes.substr(kBinaryHeaderSize), offset + kBinaryHeaderSize));
        VC_TRY(writeText(fd, bytes.substr(0, kBinaryHeaderSize), offset));
        VC_TRY(flushCopy(fd));
    }
    return {};
}

}  // namespace

base::Status rewriteHeader(const std::string &path,
                           const std::function<base::Status(nlohmann::json &)> &edit,
                           const std::function<base::Status(int)> &before) {
    VC_ASSIGN(const base::UniqueFd lock, lockHeader(path));
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path));
    nlohmann::json document = *header.metadata.current().document;
    VC_TRY(edit(document));
    std::string text = document.dump();
    const std::uint64_t room = header.view.metadataSize - kBinaryHeaderSize;
    if (text.size() >= room)
        return base::fail(ErrorCode::NoSpace,
                          "the header of " + path + " has no room for its JSON");
    const CopyMaker maker(header.metadata, std::move(text));
    VC_TRY(tryOut(maker, document, 2 * header.view.metadataSize + header.view.keyslotsSize));
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDWR));
    if (before) VC_TRY(before(fd.get()));
    // The one that is not whole first, if there is such a one.
    return writeCopies(fd.get(), maker, header.metadata.secondary.has_value());
}

}  // namespace volumecrypt::luks

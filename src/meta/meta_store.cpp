// SPDX-License-Identifier: Apache-2.0
// The two copies of META, at the beginning of its partition.
#include "meta/meta_store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/unique_fd.h"

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;

constexpr std::array<std::pair<std::uint32_t, const char *>, 12> kNames{{
    {6, "Upgrade"},
    {7, "StagedUpgradeImageRef"},
    {8, "StagedUpgradeInstallOptions"},
    {kStateEncryptionTag, "StateEncryptionConfig"},
    {10, "MetalNetworkPlatformConfig"},
    {11, "DownloadURLCode"},
    {12, "UserReserved1"},
    {13, "UserReserved2"},
    {14, "UserReserved3"},
    {kUuidOverrideTag, "UUIDOverride"},
    {16, "UniqueMachineToken"},
    {17, "DiskImageBootloader"},
}};

struct Copies {
    // Empty where a copy is damaged.
    std::array<std::optional<Tags>, 2> tags;
    Tags legacy;
    bool blank = false;  // neither copy holds anything at all

    [[nodiscard]] const Tags *best() const {
        for (const auto &copy : tags)
            if (copy) return &*copy;
        return nullptr;
    }
};

bool isZero(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

base::Result<Copies> readCopies(int fd, const std::string &path) {
    const off_t size = ::lseek(fd, 0, SEEK_END);
    if (size < 0) return base::fail(base::errnoError("find the size of " + path, errno));
    if (static_cast<std::uint64_t>(size) < 2 * kCopySize + kLegacySize)
        return base::fail(ErrorCode::HeaderCorrupt, path + " is too small for META",
                          "META takes 1 MiB: make a partition or a file of that size.");
    Copies copies;
    copies.blank = true;
    base::SecretBuffer bytes(kCopySize);
    for (std::size_t i = 0; i < copies.tags.size(); ++i) {
        VC_TRY(base::readExactly(fd, bytes.bytes(), i * kCopySize));
        auto tags = decodeCopy(bytes.bytes());
        if (tags) copies.tags.at(i) = std::move(*tags);
        copies.blank = copies.blank && isZero(bytes.bytes());
    }
    base::SecretBuffer end(kLegacySize);
    VC_TRY(base::readExactly(fd, end.bytes(), static_cast<std::uint64_t>(size) - kLegacySize));
    copies.legacy = decodeLegacy(end.bytes());
    if (copies.best() == nullptr && !copies.blank)
        return base::fail(ErrorCode::HeaderCorrupt,
                          path + ": both copies of META are damaged, or it is no META at all",
                          "META was left as it is. If nothing in it is needed any more, zero it.");
    return copies;
}

base::Status writeCopy(int fd, std::size_t number, const Tags &tags) {
    VC_ASSIGN(const base::SecretBuffer bytes, encodeCopy(tags));
    VC_TRY(base::writeExactly(fd, bytes.bytes(), number * kCopySize));
    if (::fsync(fd) < 0) return base::fail(base::errnoError("write to disk", errno));
    return {};
}

}  // namespace

std::string tagName(std::uint32_t tag) {
    for (const auto &[number, name] : kNames)
        if (number == tag) return name;
    return {};
}

base::Result<Tags> readMeta(const std::string &path) {
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDONLY));
    auto copies = readCopies(fd.get(), path);
    if (!copies) return base::fail(std::move(copies).error());
    Tags tags = copies->best() != nullptr ? copyOf(*copies->best()) : Tags();
    tags.merge(copies->legacy);
    return tags;
}

base::Result<bool> writeTag(const std::string &path, std::uint32_t tag,
                            const std::optional<base::SecretBuffer> &value) {
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDWR));
    VC_ASSIGN(const Copies copies, readCopies(fd.get(), path));
    const Tags *best = copies.best();
    Tags wanted = best != nullptr ? copyOf(*best) : Tags();
    wanted.erase(tag);
    if (value) wanted.emplace(tag, base::SecretBuffer::copyOf(value->bytes()));
    if (best == nullptr && wanted.empty()) return false;
    // With the first copy whole and the second damaged, a torn write of the first would leave
    // nothing.
    const bool secondFirst = copies.tags[0] && !copies.tags[1];
    bool written = false;
    for (const std::size_t number : {std::size_t{secondFirst}, std::size_t{!secondFirst}}) {
        if (copies.tags.at(number) && *copies.tags.at(number) == wanted) continue;
        if (auto done = writeCopy(fd.get(), number, wanted); !done)
            return base::fail(std::move(done).error().because(path));
        written = true;
    }
    return written;
}

}  // namespace volumecrypt::meta

// SPDX-License-Identifier: Apache-2.0
// What a device holds: signatures first, then the proof of blankness.
#include "blockdev/content.h"

#include <cstddef>
#include <string_view>

#include <blkid/blkid.h>

#include "blockdev/signature.h"

namespace volumecrypt::blockdev {
namespace {

// Only types of libblkid come here.
std::string withArticle(const std::string &noun) {
    const bool vowelSound =
        std::string_view("aeio").find(noun.empty() ? ' ' : noun[0]) != std::string_view::npos ||
        noun == "xfs" || noun == "ntfs";
    return (vowelSound ? "an " : "a ") + noun;
}

bool isEncryption(const std::string &type) {
    const char *name = nullptr;
    int usage = 0;
    for (std::size_t i = 0; blkid_superblocks_get_name(i, &name, &usage) == 0; ++i)
        if (type == name) return (usage & BLKID_USAGE_CRYPTO) != 0;
    return false;
}

std::string describeFilesystem(const Content &content) {
    std::string text = withArticle(content.type) + " file system";
    if (content.type == "swap") text = "swap space";
    if (isEncryption(content.type)) text = withArticle(content.type) + " volume";
    if (!content.label.empty()) text += " labelled \"" + content.label + "\"";
    return text;
}

std::string describeMember(const std::string &type) {
    if (type == "LVM2_member") return "an LVM2 physical volume";
    if (type.ends_with("_raid_member")) return "a RAID member (" + type + ")";
    return "a member of a larger whole (" + type + ")";
}

std::string describeKind(const Content &content) {
    switch (content.kind) {
        case ContentKind::Blank:
            return "nothing";
        case ContentKind::Luks1:
            return "a LUKS1 volume";
        case ContentKind::Luks2:
            return "a LUKS2 volume";
        case ContentKind::Filesystem:
            return describeFilesystem(content);
        case ContentKind::Raid:
            return describeMember(content.type);
        case ContentKind::PartitionTable:
            return "a partition table (" + content.type + ")";
        case ContentKind::Ambivalent:
            return "signatures of more than one kind (" + content.type + ")";
        case ContentKind::Unknown:
            break;
    }
    return "data of unknown kind";
}

}  // namespace

bool Content::hasLuks() const {
    return kind == ContentKind::Luks1 || kind == ContentKind::Luks2 || luks != LuksBeside::None;
}

std::string Content::describe() const {
    const char *beside = "";
    if (luks == LuksBeside::SecondaryOnly)
        beside = ", and what is left of a LUKS2 header";
    else if (luks != LuksBeside::None && kind != ContentKind::Ambivalent)
        beside = ", and a LUKS header";
    return describeKind(*this) + beside;
}

base::Result<Content> probeContent(int fd, std::uint64_t size) {
    if (size == 0) return base::fail(base::ErrorCode::Io, "the device has no bytes");
    VC_ASSIGN(auto found, findSignature(fd, size));
    if (found) return std::move(*found);
    VC_ASSIGN(const bool zero, looksZero(fd, size));
    Content content;
    content.kind = zero ? ContentKind::Blank : ContentKind::Unknown;
    return content;
}

}  // namespace volumecrypt::blockdev

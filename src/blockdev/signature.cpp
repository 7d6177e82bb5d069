// SPDX-License-Identifier: Apache-2.0
// Signatures: libblkid is asked as every other program does, then for damaged remains.
#include "blockdev/signature.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "blockdev/probe_handle.h"

namespace volumecrypt::blockdev {
namespace {

constexpr const char *kLuksType = "crypto_LUKS";
constexpr int kAmbivalent = -2;  // of blkid_do_safeprobe
constexpr int kWanted = BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_LABEL |
                        BLKID_SUBLKS_UUID | BLKID_SUBLKS_VERSION | BLKID_SUBLKS_MAGIC;

// Which signatures count.
struct Question {
    bool damaged = false;      // with bad checksums too, and a GPT whose protective MBR is gone
    bool withoutLuks = false;  // as if there were no LUKS header
};

base::Result<Probe> prepare(int fd, std::uint64_t size, const Question &question) {
    VC_ASSIGN(Probe probe, newProbe(fd, size));
    blkid_probe_enable_superblocks(probe.get(), 1);
    blkid_probe_set_partitions_flags(
        probe.get(), BLKID_PARTS_MAGIC | (question.damaged ? BLKID_PARTS_FORCE_GPT : 0));
    blkid_probe_set_superblocks_flags(probe.get(),
                                      kWanted | (question.damaged ? BLKID_SUBLKS_BADCSUM : 0));
    if (question.withoutLuks) {
        std::string type = kLuksType;
        std::array<char *, 2> names{type.data(), nullptr};
        blkid_probe_filter_superblocks_type(probe.get(), BLKID_FLTR_NOTIN, names.data());
    }
    blkid_probe_enable_partitions(probe.get(), 1);
    return probe;
}

// What is read from a disk goes to terminals, logs and JSON: valid UTF-8, no control characters.
std::string printable(const std::string &text) {
    const auto isPlain = [](unsigned char c) { return c >= 0x20 && c < 0x7f; };
    if (std::all_of(text.begin(), text.end(), isPlain)) return text;
    std::string safe(text.size() * 4 + 1, '\0');
    if (blkid_safe_string(text.c_str(), safe.data(), safe.size()) != 0) return {};
    safe.resize(safe.find('\0'));
    // libblkid lets some control characters pass: ESC and its like, U+0080 to U+009F.
    std::string plain;
    for (std::string_view rest = safe; !rest.empty();) {
        const auto character = base::decodeCharacter(rest);
        const std::size_t length = character ? character->bytes : 1;
        const bool harmless = character && !base::isControlCharacter(character->value);
        plain += harmless ? rest.substr(0, length) : "_";
        rest.remove_prefix(length);
    }
    return plain;
}

std::uint64_t offsetOf(const std::string &text) {
    std::uint64_t offset = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), offset);
    return offset;
}

std::vector<Signature> allSignatures(int fd, std::uint64_t size, const Question &question) {
    auto probe = prepare(fd, size, question);
    if (!probe) return {};
    std::vector<Signature> found;
    while (blkid_do_probe(probe->get()) == 0)
        for (const auto &[name, magic] :
             {std::pair("TYPE", "SBMAGIC_OFFSET"), std::pair("PTTYPE", "PTMAGIC_OFFSET")}) {
            Signature signature{probeValue(probe->get(), name),
                                offsetOf(probeValue(probe->get(), magic))};
            if (!signature.type.empty() &&
                std::find(found.begin(), found.end(), signature) == found.end())
                found.push_back(std::move(signature));
        }
    return found;
}

// Each name once.
std::string typesOf(const std::vector<Signature> &signatures) {
    std::vector<std::string> types;
    for (const Signature &signature : signatures)
        if (std::find(types.begin(), types.end(), signature.type) == types.end())
            types.push_back(signature.type);
    std::string list;
    for (const auto &type : types) list += (list.empty() ? "" : ", ") + type;
    return list;
}

// Pool members that libblkid counts as file systems or as something else.
bool isMember(const std::string &type, const std::string &usage) {
    constexpr std::array<const char *, 5> members{"zfs_member", "bcache", "stratis",
                                                  "ceph_bluestore", "jbd"};
    return usage == "raid" || std::find(members.begin(), members.end(), type) != members.end();
}

Content contentOf(blkid_probe probe) {
    Content content;
    content.type = probeValue(probe, "TYPE");
    content.label = printable(probeValue(probe, "LABEL"));
    content.uuid = printable(probeValue(probe, "UUID"));
    content.kind = isMember(content.type, probeValue(probe, "USAGE")) ? ContentKind::Raid
                                                                      : ContentKind::Filesystem;
    const std::string table = probeValue(probe, "PTTYPE");
    if (content.type.empty()) {
        content = {ContentKind::PartitionTable, table, {}, printable(probeValue(probe, "PTUUID"))};
    } else if (!table.empty()) {
        content = {ContentKind::Ambivalent, content.type + ", " + table, {}, {}};
    }
    return content;
}

base::Result<std::optional<Content>> ask(int fd, std::uint64_t size, const Question &question) {
    VC_ASSIGN(const Probe probe, prepare(fd, size, question));
    const int code = blkid_do_safeprobe(probe.get());
    if (code == 1) return std::optional<Content>();
    if (code == 0) return std::optional<Content>(contentOf(probe.get()));
    if (code == kAmbivalent)
        return std::optional<Content>(
            {ContentKind::Ambivalent, typesOf(allSignatures(fd, size, question)), {}, {}});
    return base::fail(base::ErrorCode::Io, "libblkid cannot read the device");
}

// A LUKS header. Where only the secondary one is left, something else may have taken the place of
// the primary, and repairing the header would destroy that.
base::Result<std::optional<Content>> luksContent(int fd, std::uint64_t size, const LuksMagic &magic,
                                                 Content content) {
    content.type = kLuksType;
    content.kind = magic.primaryVersion == 1 ? ContentKind::Luks1 : ContentKind::Luks2;
    if (magic.primaryVersion == 0) {
        VC_ASSIGN(const auto other, ask(fd, size, {.damaged = true, .withoutLuks = true}));
        if (other)
            content = {ContentKind::Ambivalent,
                       std::string(kLuksType) + ", " + other->type,
                       {},
                       {},
                       LuksBeside::SecondaryOnly};
    }
    return std::optional<Content>(std::move(content));
}

// libblkid tells of a member of a RAID alone, and a LUKS header in it may be the array's. But a
// partition that grew over an old superblock looks the same: who knows the header can tell.
Content besideLuks(int fd, std::uint64_t size, const LuksMagic &magic, Content content) {
    if (magic.primaryVersion == 0) {
        content.luks = LuksBeside::SecondaryOnly;
        return content;
    }
    std::vector<Signature> signatures = allSignatures(fd, size, {});
    const auto isLuks = [](const Signature &signature) { return signature.type == kLuksType; };
    if (std::none_of(signatures.begin(), signatures.end(), isLuks))
        signatures.insert(signatures.begin(), Signature{kLuksType, 0});
    content.luks = magic.primaryVersion == 1 ? LuksBeside::Primary1 : LuksBeside::Primary2;
    content.signatures = std::move(signatures);
    return content;
}

}  // namespace

base::Result<std::optional<Content>> findSignature(int fd, std::uint64_t size) {
    VC_ASSIGN(const LuksMagic magic, findLuksMagic(fd, size));
    const bool anyLuks = magic.primaryVersion != 0 || magic.secondary;
    VC_ASSIGN(auto found, ask(fd, size, {}));
    if (found && found->type == kLuksType && anyLuks)
        return luksContent(fd, size, magic, std::move(*found));
    if (found && anyLuks) return std::optional(besideLuks(fd, size, magic, std::move(*found)));
    if (found) return found;
    if (anyLuks) return luksContent(fd, size, magic, {});
    return ask(fd, size, {.damaged = true});
}

}  // namespace volumecrypt::blockdev

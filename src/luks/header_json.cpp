// SPDX-License-Identifier: Apache-2.0
// Reads the parts of a header: key slots, tokens, segments, digests, configuration.
#include "luks/header_json.h"

#include <algorithm>
#include <limits>

#include "luks/header_store.h"
#include "luks/json_reader.h"
#include "luks/reencryption_json.h"
#include "model/key_spec.h"

namespace volumecrypt::luks {
namespace {

constexpr std::uint64_t kLargestInt = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kLargestKeyslots = std::uint64_t{128} << 20;
constexpr std::uint64_t kLargestKeyBytes = 512;
constexpr std::uint64_t kSector = 512;
// Anti-forensic splitting: a key slot area holds 4000 times its key.
constexpr std::uint64_t kStripes = 4000;
constexpr unsigned kDigestCount = 8;
constexpr const char *kDynamicSize = "dynamic";
constexpr unsigned kSegmentCount = 32;

// Labels may hold any bytes; they end up in messages and JSON.
std::string printable(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

base::Result<model::KdfView> kdfOf(const JsonReader &slot) {
    VC_ASSIGN(const JsonReader kdf, slot.object("kdf"));
    model::KdfView view;
    VC_ASSIGN(view.type, kdf.text("type"));
    if (view.type == "pbkdf2") {
        VC_ASSIGN(view.iterations, kdf.number("iterations", kLargestInt));
        VC_ASSIGN(view.hash, kdf.text("hash"));
    } else if (view.type.starts_with("argon2")) {
        VC_ASSIGN(view.iterations, kdf.number("time", kLargestInt));
        VC_ASSIGN(view.memoryKiB, kdf.number("memory", kLargestInt));
        VC_ASSIGN(const std::uint64_t lanes, kdf.number("cpus", kLargestInt));
        view.lanes = static_cast<unsigned>(lanes);
    }
    return view;
}

base::Result<model::SlotView> slotOf(unsigned number, const JsonReader &slot) {
    model::SlotView view;
    view.number = number;
    VC_ASSIGN(view.type, slot.text("type"));
    view.json = canonicalJson(slot.json());
    VC_ASSIGN(const JsonReader area, slot.object("area"));
    VC_ASSIGN(view.areaOffset, area.bigNumber("offset"));
    VC_ASSIGN(view.areaSize, area.bigNumber("size"));
    // Reencryption keeps its state in slots of other types, which hold no key.
    if (view.type != "luks2") return view;
    VC_ASSIGN(view.kdf, kdfOf(slot));
    VC_ASSIGN(view.areaCipher, area.text("encryption"));
    VC_ASSIGN(const std::uint64_t areaKeyBytes, area.number("key_size", kLargestKeyBytes));
    VC_ASSIGN(const std::uint64_t keyBytes, slot.number("key_size", kLargestKeyBytes));
    if (keyBytes == 0 || areaKeyBytes == 0) return slot.problem("a key of no length");
    view.areaKeyBits = static_cast<unsigned>(areaKeyBytes * 8);
    view.keyBits = static_cast<unsigned>(keyBytes * 8);
    // libcryptsetup reads that much, whatever `size` says.
    if (keyBytes * kStripes > view.areaSize) return area.problem("too small for its key");
    return view;
}

base::Result<model::SegmentView> segmentOf(const JsonReader &segment) {
    model::SegmentView view;
    VC_ASSIGN(view.type, segment.text("type"));
    VC_ASSIGN(view.offset, segment.bigNumber("offset"));
    VC_ASSIGN(view.size, segment.text("size"));
    if (view.size != kDynamicSize) {
        VC_ASSIGN(const std::uint64_t bytes, segment.bigNumber("size"));
        view.size = std::to_string(bytes);
    }
    if (segment.has("flags")) {
        VC_ASSIGN(view.flags, segment.texts("flags"));
    }
    view.integrity = segment.has("integrity");
    if (view.type != "crypt") return view;
    VC_ASSIGN(view.cipher, segment.text("encryption"));
    VC_ASSIGN(view.ivTweak, segment.bigNumber("iv_tweak"));
    VC_ASSIGN(const std::uint64_t sectorSize, segment.number("sector_size", kLargestInt));
    view.sectorSize = static_cast<unsigned>(sectorSize);
    return view;
}

base::Result<model::DigestView> digestOf(const JsonReader &digest) {
    model::DigestView view;
    VC_ASSIGN(view.type, digest.text("type"));
    if (view.type == "pbkdf2") {
        VC_ASSIGN(view.iterations, digest.number("iterations", kLargestInt));
    }
    VC_ASSIGN(view.slots, digest.numbers("keyslots", model::kSlotCount));
    VC_ASSIGN(view.segments, digest.numbers("segments", kSegmentCount));
    view.coversData = !view.segments.empty();
    return view;
}

base::Status readSlots(const JsonReader &root, model::HeaderView &view) {
    VC_ASSIGN(const JsonReader slots, root.object("keyslots"));
    VC_ASSIGN(const auto members, slots.members(model::kSlotCount));
    for (const auto &[number, slot] : members) {
        VC_ASSIGN(view.slots[number], slotOf(number, slot));
    }
    return {};
}

base::Status readTokens(const JsonReader &root, model::HeaderView &view) {
    VC_ASSIGN(const JsonReader tokens, root.object("tokens"));
    VC_ASSIGN(const auto members, tokens.members(model::kSlotCount));
    for (const auto &[id, token] : members) {
        model::TokenView &entry = view.tokens[id];
        entry.id = id;
        VC_ASSIGN(entry.type, token.text("type"));
        VC_ASSIGN(entry.keyslots, token.numbers("keyslots", model::kSlotCount));
        entry.json = canonicalJson(token.json());
    }
    return {};
}

base::Status readSegments(const JsonReader &root, model::HeaderView &view) {
    VC_ASSIGN(const JsonReader segments, root.object("segments"));
    VC_ASSIGN(const auto members, segments.members(kSegmentCount));
    for (const auto &[number, segment] : members) {
        VC_ASSIGN(model::SegmentView entry, segmentOf(segment));
        entry.number = number;
        view.segments.push_back(std::move(entry));
    }
    return {};
}

base::Status readDigests(const JsonReader &root, model::HeaderView &view) {
    VC_ASSIGN(const JsonReader digests, root.object("digests"));
    VC_ASSIGN(const auto members, digests.members(kDigestCount));
    for (auto &[number, slot] : view.slots) slot.unbound = true;
    for (const auto &[number, digest] : members) {
        VC_ASSIGN(model::DigestView entry, digestOf(digest));
        entry.number = number;
        for (const unsigned slot : entry.slots) {
            const auto found = view.slots.find(slot);
            if (found == view.slots.end())
                return digest.problem("names key slot " + std::to_string(slot) +
                                      ", which is not there");
            if (!entry.coversData) continue;
            found->second.unbound = false;
            view.volumeKeyBits = found->second.keyBits;
        }
        view.digests.push_back(std::move(entry));
    }
    return {};
}

base::Status readConfiguration(const JsonReader &root, model::HeaderView &view) {
    VC_ASSIGN(const JsonReader config, root.object("config"));
    VC_ASSIGN(const std::uint64_t jsonSize, config.bigNumber("json_size"));
    if (jsonSize != view.metadataSize - kBinaryHeaderSize)
        return config.problem("json_size is not that of the binary header");
    VC_ASSIGN(view.keyslotsSize, config.bigNumber("keyslots_size"));
    if (view.keyslotsSize > kLargestKeyslots || view.keyslotsSize % kBinaryHeaderSize != 0)
        return config.problem("a wrong keyslots_size");
    if (config.has("flags")) {
        VC_ASSIGN(view.flags, config.texts("flags"));
    }
    if (!config.has("requirements")) return {};
    VC_ASSIGN(const JsonReader requirements, config.object("requirements"));
    if (requirements.has("mandatory")) {
        VC_ASSIGN(view.requirements, requirements.texts("mandatory"));
    }
    return {};
}

// Every area lies behind the metadata, inside the header, and upon no other.
base::Status checkAreas(const model::HeaderView &view, std::uint64_t deviceSize) {
    const auto problem = [](const std::string &what) {
        return base::fail(base::ErrorCode::HeaderCorrupt, what);
    };
    const std::uint64_t begin = 2 * view.metadataSize;
    const std::uint64_t end = begin + view.keyslotsSize;
    if (end > deviceSize)
        return problem("the header claims " + std::to_string(end) + " bytes, the device has " +
                       std::to_string(deviceSize));
    std::vector<std::pair<std::uint64_t, std::uint64_t>> areas;
    for (const auto &[number, slot] : view.slots) {
        const bool inside = slot.areaOffset >= begin && slot.areaOffset < end &&
                            slot.areaSize <= end - slot.areaOffset;
        if (!inside || slot.areaSize == 0 || slot.areaOffset % kSector != 0)
            return problem("the area of " + slotName(number) + " lies outside the key slot areas");
        areas.emplace_back(slot.areaOffset, slot.areaSize);
    }
    std::ranges::sort(areas);
    for (std::size_t i = 1; i < areas.size(); ++i)
        if (areas[i - 1].first + areas[i - 1].second > areas[i].first)
            return problem("two key slot areas overlap");
    return {};
}

}  // namespace

std::string canonicalJson(const nlohmann::json &value) {
    return value.dump();
}

base::Result<model::HeaderView> viewOf(const Metadata &metadata) {
    const MetadataCopy &copy = metadata.current();
    model::HeaderView view;
    view.version = copy.binary.version;
    view.uuid = printable(copy.binary.uuid);
    view.label = printable(copy.binary.label);
    view.metadataSize = copy.binary.size;
    // libcryptsetup ends it with a zero. Others may have written blanks, which it takes out.
    const std::uint64_t jsonArea = copy.binary.size - kBinaryHeaderSize;
    view.jsonFree = jsonArea - std::min<std::uint64_t>(jsonArea, copy.text.size() + 1);
    const JsonReader root(*copy.document, "the LUKS2 header");
    VC_TRY(readConfiguration(root, view));
    VC_TRY(readSlots(root, view));
    VC_TRY(readTokens(root, view));
    VC_TRY(readSegments(root, view));
    VC_TRY(readDigests(root, view));
    VC_TRY(checkAreas(view, metadata.deviceSize));
    view.reencryption = readReencryption(root, view);
    return view;
}

}  // namespace volumecrypt::luks

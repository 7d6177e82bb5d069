// SPDX-License-Identifier: Apache-2.0
// Version 2: LUKS UUID, an HMAC that recognises the volume key, the data segment in words that an
// error can name, and an HMAC under the volume key over all of it. Version 1 lacks the last two.
// Beside them, and not covered by the HMAC, which earlier versions compute as well: the mark of the
// machine in the volume's record.
#include "volume/pin_text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"
#include "base/text.h"
#include "keys/derivations.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

constexpr std::uint64_t kPinVersion = 2;
constexpr std::size_t kLongestValue = 64;

struct Member {
    const char *name;
    const char *words;
    std::string value;
};

// Whoever changes one of these in the header changes what the key decrypts, and how.
std::vector<Member> membersOf(const model::SegmentView &segment) {
    return {{"offset", "its data begins at byte", std::to_string(segment.offset)},
            {"size", "the size of its data in bytes is", segment.size},
            {"sectorSize", "its sector size is", std::to_string(segment.sectorSize)},
            {"cipher", "its cipher is", segment.cipher},
            {"ivTweak", "its sectors are numbered from", std::to_string(segment.ivTweak)},
            {"integrity", "its integrity protection is", segment.integrity ? "some" : "none"}};
}

Json segmentJson(const model::SegmentView &segment) {
    Json json = Json::object();
    for (const Member &member : membersOf(segment)) json[member.name] = member.value;
    return json;
}

std::string macOf(const model::VolumeId &id, const std::string &uuid, const Json &segment,
                  const base::SecretBuffer &volumeKey) {
    const Json covered{{"volume", id.text()}, {"uuid", uuid}, {"segment", segment}};
    return base::toHex(keys::pinMac(volumeKey, covered.dump()));
}

// A copy of the pin is in STATE, and nobody vouches for that.
constexpr std::string_view kPlain = "-:,_.";
std::string shown(const std::string &value) {
    std::string text = value.substr(0, kLongestValue);
    std::ranges::replace_if(
        text,
        [](unsigned char c) {
            return c >= 0x80 || (std::isalnum(c) == 0 &&
                                 kPlain.find(static_cast<char>(c)) == std::string_view::npos);
        },
        '?');
    return text;
}

std::string segmentDifference(const Json &pinned, const model::SegmentView &segment) {
    std::string text;
    for (const Member &member : membersOf(segment)) {
        const auto remembered = pinned[member.name].get<std::string>();
        if (remembered == member.value) continue;
        text += (text.empty() ? "but " : " and ") + std::string(member.words) + " " + member.value +
                " instead of " + shown(remembered);
    }
    return text;
}

bool isText(const Json &pin, const char *name) {
    return pin.contains(name) && pin[name].is_string();
}

bool isWhole(const Json &pin, const model::SegmentView &segment) {
    if (!isText(pin, "mac") || !pin.contains("segment") || !pin["segment"].is_object())
        return false;
    const auto members = membersOf(segment);
    return pin["segment"].size() == members.size() &&
           std::all_of(members.begin(), members.end(),
                       [&](const Member &member) { return isText(pin["segment"], member.name); });
}

base::Result<std::uint64_t> versionOf(const Json &pin, const std::string &path) {
    const auto unreadable =
        base::fail(ErrorCode::HeaderCorrupt, "the pin " + path + " cannot be read");
    if (!pin.is_object()) return unreadable;
    const auto version = pin.contains("version") ? base::integerIn<std::uint64_t>(pin["version"])
                                                 : std::optional<std::uint64_t>(1);
    if (!version || *version == 0) return unreadable;
    // Before anything else: whatever is missing, this version need not know it.
    if (*version > kPinVersion)
        return base::fail(ErrorCode::Unsupported,
                          "the pin " + path + " was written by a newer version of volumecrypt",
                          "Update volumecrypt; nothing was changed.");
    if (!isText(pin, "uuid") || !isText(pin, "digest")) return unreadable;
    return *version;
}

Json pinJson(const model::VolumeId &id, const model::HeaderView &header,
             const base::SecretBuffer &volumeKey, const std::string &machine) {
    const Json segment = segmentJson(header.dataSegment());
    Json pin{{"version", kPinVersion}, {"volume", id.text()},
             {"uuid", header.uuid},    {"digest", base::toHex(keys::pinDigest(volumeKey))},
             {"segment", segment},     {"mac", macOf(id, header.uuid, segment, volumeKey)}};
    if (!machine.empty()) pin["machine"] = base::toHex(machine);
    return pin;
}

// The key that the volume has as well, while its key is being changed; nullptr when there is none.
const Json *nextOf(const Json &pin) {
    const auto next = pin.find("next");
    if (next == pin.end() || !next->is_object()) return nullptr;
    return isText(*next, "digest") && isText(*next, "mac") ? &*next : nullptr;
}

}  // namespace

std::string pinText(const model::VolumeId &id, const model::HeaderView &header,
                    const base::SecretBuffer &volumeKey, const std::string &machine) {
    return pinJson(id, header, volumeKey, machine).dump() + "\n";
}

std::string pinTextWithNext(const model::VolumeId &id, const model::HeaderView &header,
                            const base::SecretBuffer &volumeKey,
                            const base::SecretBuffer &nextVolumeKey, const std::string &machine) {
    Json pin = pinJson(id, header, volumeKey, machine);
    pin["next"] = {{"digest", base::toHex(keys::pinDigest(nextVolumeKey))},
                   {"mac", macOf(id, header.uuid, pin["segment"], nextVolumeKey)}};
    return pin.dump() + "\n";
}

PinClaim claimOfPin(const std::string &text) {
    const Json pin = base::parseForeignJson(text);
    if (!pin.is_object()) return {};
    const auto member = [&pin](const char *name) {
        return isText(pin, name) ? pin[name].get<std::string>() : std::string();
    };
    return {.uuid = member("uuid"),
            .machine = member("machine"),
            .knowsSegment = pin.contains("segment"),
            .hasNext = nextOf(pin) != nullptr};
}

base::Result<PinComparison> comparePin(const std::string &text, const std::string &path,
                                       const model::VolumeId &id, const model::HeaderView &header,
                                       const base::SecretBuffer &volumeKey) {
    const Json pin = base::parseForeignJson(text);
    VC_ASSIGN(const std::uint64_t version, versionOf(pin, path));
    const model::SegmentView &segment = header.dataSegment();
    if (version == kPinVersion && !isWhole(pin, segment))
        return base::fail(ErrorCode::HeaderCorrupt, "the pin " + path + " cannot be read");
    PinComparison result;
    result.outdated = version < kPinVersion;
    result.machine = claimOfPin(text).machine;
    const Json *next = nextOf(pin);
    result.hasNext = next != nullptr;
    const std::string digest = base::toHex(keys::pinDigest(volumeKey));
    // Which of its two keys the volume was opened by, if it has two.
    const Json &own = next != nullptr && (*next)["digest"] == digest ? *next : pin;
    const std::string found = "its UUID is " + header.uuid + ", ";
    if (pin["uuid"] != header.uuid)
        result.difference = found + "another one is remembered";
    else if (own["digest"] != digest)
        result.difference = found + "its volume key is another one";
    if (!result.difference.empty() || result.outdated) return result;
    if (own["mac"] != macOf(id, header.uuid, pin["segment"], volumeKey))
        return base::fail(ErrorCode::HeaderCorrupt,
                          "the pin " + path + " was changed by somebody without the volume key");
    if (const std::string moved = segmentDifference(pin["segment"], segment); !moved.empty()) {
        result.difference = found + moved;
        result.headerChanged = true;
    }
    return result;
}

}  // namespace volumecrypt::volume

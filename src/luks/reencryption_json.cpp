// SPDX-License-Identifier: Apache-2.0
// What was seen of libcryptsetup 2.6 and 2.7 at each write of the three modes; anything else is
// not understood.
#include "luks/reencryption_json.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace volumecrypt::luks {
namespace {

using model::Reencryption;
using model::ReencryptionMode;
using model::ReencryptionPhase;
using model::SegmentView;

constexpr const char *kInReencryption = "in-reencryption";
constexpr const char *kDynamic = "dynamic";

struct ReencryptSlot {
    std::string mode, direction;
    std::string resilience;
    std::uint64_t shift = 0;
};

base::Result<ReencryptSlot> slotOf(const JsonReader &root, unsigned number) {
    ReencryptSlot found;
    VC_ASSIGN(const JsonReader slots, root.object("keyslots"));
    VC_ASSIGN(const JsonReader slot, slots.object(std::to_string(number).c_str()));
    VC_ASSIGN(found.mode, slot.text("mode"));
    VC_ASSIGN(found.direction, slot.text("direction"));
    VC_ASSIGN(const JsonReader area, slot.object("area"));
    VC_ASSIGN(found.resilience, area.text("type"));
    if (area.has("shift_size")) {
        VC_ASSIGN(found.shift, area.bigNumber("shift_size"));
    }
    return found;
}

std::optional<ReencryptionMode> modeOf(std::string_view text) {
    if (text == "encrypt") return ReencryptionMode::Encrypt;
    if (text == "decrypt") return ReencryptionMode::Decrypt;
    if (text == "reencrypt") return ReencryptionMode::Reencrypt;
    return std::nullopt;
}

const model::DigestView *digestOfSegment(const model::HeaderView &view, unsigned segment) {
    for (const model::DigestView &digest : view.digests)
        if (std::ranges::find(digest.segments, segment) != digest.segments.end()) return &digest;
    return nullptr;
}

const model::DigestView *digestOfSlot(const model::HeaderView &view, unsigned slot) {
    for (const model::DigestView &digest : view.digests)
        if (std::ranges::find(digest.slots, slot) != digest.slots.end()) return &digest;
    return nullptr;
}

// Exactly one slot of that type.
std::optional<unsigned> reencryptSlot(const model::HeaderView &view) {
    std::optional<unsigned> found;
    for (const auto &[number, slot] : view.slots) {
        if (slot.type != "reencrypt") continue;
        if (found) return std::nullopt;
        found = number;
    }
    return found;
}

std::uint64_t bytesOf(const SegmentView &segment) {
    std::uint64_t bytes = 0;
    if (segment.size != kDynamic)
        std::from_chars(segment.size.data(), segment.size.data() + segment.size.size(), bytes);
    return bytes;
}

// Which of the segments is what. False when one has flags that do not belong together, or one of
// the backups is missing or there twice.
bool sortSegments(const model::HeaderView &view, Reencryption &into) {
    unsigned previous = 0, final = 0, moved = 0;
    for (const SegmentView &segment : view.segments) {
        if (!segment.isBackup()) {
            const bool known = segment.flags.empty() ||
                               (segment.flags.size() == 1 && segment.hasFlag(kInReencryption));
            if (!known) return false;
            into.live.push_back(segment);
            continue;
        }
        if (segment.flags.size() != 1) return false;
        if (segment.hasFlag("backup-previous")) {
            into.previous = segment;
            ++previous;
        } else if (segment.hasFlag("backup-final")) {
            into.final = segment;
            ++final;
        } else if (segment.hasFlag("backup-moved-segment")) {
            into.moved = segment;
            ++moved;
        } else {
            return false;
        }
    }
    std::ranges::sort(into.live, {}, &SegmentView::number);
    return previous == 1 && final == 1 && moved <= 1 && !into.live.empty();
}

// The digests of the two keys, and whether each mode has those that it must have.
bool findDigests(const model::HeaderView &view, Reencryption &into) {
    const model::DigestView *before = digestOfSegment(view, into.previous.number);
    const model::DigestView *after = digestOfSegment(view, into.final.number);
    if (before != nullptr) into.oldDigest = before->number;
    if (after != nullptr) into.newDigest = after->number;
    const model::DigestView *own = digestOfSlot(view, into.slot);
    if (own == nullptr || own->coversData) return false;
    into.slotDigest = own->number;
    switch (into.mode) {
        case ReencryptionMode::Encrypt:
            return before == nullptr && after != nullptr && into.previous.type == "linear" &&
                   into.final.type == "crypt";
        case ReencryptionMode::Decrypt:
            return before != nullptr && after == nullptr && into.previous.type == "crypt" &&
                   into.final.type == "linear";
        case ReencryptionMode::Reencrypt:
            // With one key before and after, its digest would not say which data is done.
            return before != nullptr && after != nullptr && before != after &&
                   into.previous.type == "crypt" && into.final.type == "crypt";
    }
    return false;
}

bool hasFinalForm(const model::HeaderView &view, const Reencryption &reencryption,
                  const SegmentView &segment) {
    if (segment.hasFlag(kInReencryption)) return false;
    if (reencryption.mode == ReencryptionMode::Decrypt) return segment.type == "linear";
    const model::DigestView *digest = digestOfSegment(view, segment.number);
    return segment.type == "crypt" && digest != nullptr && digest->number == reencryption.newDigest;
}

ReencryptionPhase phaseOf(const model::HeaderView &view, const Reencryption &reencryption) {
    for (const SegmentView &segment : reencryption.live)
        if (segment.hasFlag(kInReencryption)) return ReencryptionPhase::Crashed;
    const bool whole = reencryption.live.size() == 1 &&
                       hasFinalForm(view, reencryption, reencryption.live.front());
    return whole ? ReencryptionPhase::DataDone : ReencryptionPhase::Clean;
}

}  // namespace

std::optional<Reencryption> readReencryption(const JsonReader &root,
                                             const model::HeaderView &view) {
    const auto number = reencryptSlot(view);
    if (!number) return std::nullopt;
    auto slot = slotOf(root, *number);
    if (!slot) return std::nullopt;
    const auto mode = modeOf(slot->mode);
    if (!mode) return std::nullopt;
    Reencryption found;
    found.mode = *mode;
    found.backward = slot->direction == "backward";
    if (!found.backward && slot->direction != "forward") return std::nullopt;
    found.resilience = std::move(slot->resilience);
    found.dataShift = slot->shift;
    found.slot = *number;
    if (!sortSegments(view, found) || !findDigests(view, found)) return std::nullopt;
    found.phase = phaseOf(view, found);
    const SegmentView &first = found.live.front();
    if (found.phase == ReencryptionPhase::DataDone &&
        (first.offset != found.final.offset || first.size != found.final.size))
        return std::nullopt;
    for (const SegmentView &segment : found.live)
        if (hasFinalForm(view, found, segment)) found.done += bytesOf(segment);
    return found;
}

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Look-ups in a header.
#include "model/header_view.h"

#include <algorithm>

#include "model/key_spec.h"

namespace volumecrypt::model {

bool SegmentView::hasFlag(const std::string &flag) const {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

bool SegmentView::isBackup() const {
    return std::any_of(flags.begin(), flags.end(),
                       [](const std::string &flag) { return flag.starts_with("backup-"); });
}

const SegmentView &HeaderView::dataSegment() const {
    if (!reencryption) return segments.front();
    return reencryption->mode == ReencryptionMode::Decrypt ? reencryption->previous
                                                           : reencryption->final;
}

bool HeaderView::isReencrypting() const {
    const auto names = [](const std::string &text) {
        return text.find("reencrypt") != std::string::npos;
    };
    // A segment that is moved, or kept for going back.
    const auto isInterim = [&](const SegmentView &segment) {
        return segment.isBackup() || std::any_of(segment.flags.begin(), segment.flags.end(), names);
    };
    return std::any_of(requirements.begin(), requirements.end(), names) ||
           std::any_of(slots.begin(), slots.end(),
                       [](const auto &slot) { return slot.second.type == "reencrypt"; }) ||
           std::any_of(segments.begin(), segments.end(), isInterim);
}

std::optional<unsigned> HeaderView::highestFreeSlot(const std::vector<unsigned> &avoid) const {
    for (unsigned slot = kSlotCount; slot-- > 0;) {
        const bool avoided = std::find(avoid.begin(), avoid.end(), slot) != avoid.end();
        if (!avoided && !slots.contains(slot)) return slot;
    }
    return std::nullopt;
}

bool HeaderView::hasRoomForSlot(std::size_t keyBytes) const {
    // As libcryptsetup places them: LUKS stripes in whole blocks, each in the first gap that is
    // large enough.
    constexpr std::uint64_t kStripes = 4000;
    constexpr std::uint64_t kBlock = 4096;
    const std::uint64_t needed = (keyBytes * kStripes + kBlock - 1) / kBlock * kBlock;
    std::map<std::uint64_t, std::uint64_t> areas;
    for (const auto &[number, slot] : slots) areas[slot.areaOffset] = slot.areaSize;
    std::uint64_t free = 2 * metadataSize;
    for (const auto &[offset, size] : areas) {
        if (free + needed <= offset) return true;
        free = std::max(free, offset + size);
    }
    return free + needed <= 2 * metadataSize + keyslotsSize;
}

}  // namespace volumecrypt::model

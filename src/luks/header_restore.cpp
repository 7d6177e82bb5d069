// SPDX-License-Identifier: Apache-2.0
// Not by crypt_header_restore, which writes all 16 MiB at once, from the first byte on: cut in the
// middle, neither the old nor the new header opens the volume.
#include "luks/header_restore.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_bytes.h"
#include "luks/block_write.h"
#include "luks/header_image.h"
#include "luks/header_json.h"
#include "luks/metadata.h"

namespace volumecrypt::luks {
namespace {

using Range = std::pair<std::uint64_t, std::uint64_t>;  // begin, end

bool overlaps(const std::vector<Range> &ranges, std::uint64_t begin, std::uint64_t end) {
    return std::ranges::any_of(
        ranges, [&](const Range &range) { return range.first < end && begin < range.second; });
}

// Of the blocks from `begin` to `end` those that are in use by one of `areas`, or the others.
base::Status copyAreas(int memory, int device, Range all, const std::vector<Range> &areas,
                       bool used) {
    for (std::uint64_t at = all.first; at < all.second;) {
        std::uint64_t end = at;
        while (end < all.second && overlaps(areas, end, end + kBlock) == used) end += kBlock;
        VC_TRY(copyBlocks(memory, device, at, std::min(end, all.second)));
        at = end + kBlock;
    }
    return flush(device);
}

// The same sequence number and text: libcryptsetup gives the copy that it repairs another salt.
bool isHeaderOf(const Metadata &metadata, int fd) {
    const auto other = readMetadata(fd);
    return other && other->current().text == metadata.current().text &&
           other->current().binary.sequence == metadata.current().binary.sequence;
}

// Of a header that cannot be read no area is worth anything.
std::vector<Range> usedAreas(int before) {
    std::vector<Range> used;
    const auto metadata = readMetadata(before);
    if (!metadata) return used;
    const auto view = viewOf(*metadata);
    if (!view) return used;
    for (const auto &[number, slot] : view->slots)
        used.emplace_back(slot.areaOffset, slot.areaOffset + slot.areaSize);
    return used;
}

}  // namespace

base::Result<base::UniqueFd> rawCopy(int device, std::uint64_t size) {
    VC_ASSIGN(base::UniqueFd image, newImage());
    VC_TRY(copyIn(image.get(), device, 0, size, "the header"));
    return image;
}

base::Result<bool> isThere(int device, const HeaderImage &wanted) {
    VC_ASSIGN(const base::UniqueFd now, rawCopy(device, wanted.size));
    VC_ASSIGN(const base::MappedBytes present, base::MappedBytes::of(now.get(), wanted.size));
    VC_ASSIGN(const base::MappedBytes fresh,
              base::MappedBytes::of(wanted.copy.memory.get(), wanted.size));
    return present.view() == fresh.view();
}

base::Result<RestoreState> restoreStateOf(int device, int before, const HeaderImage &wanted) {
    VC_ASSIGN(const base::UniqueFd now, rawCopy(device, wanted.size));
    VC_ASSIGN(const base::MappedBytes present, base::MappedBytes::of(now.get(), wanted.size));
    VC_ASSIGN(const base::MappedBytes old, base::MappedBytes::of(before, wanted.size));
    VC_ASSIGN(const base::MappedBytes fresh,
              base::MappedBytes::of(wanted.copy.memory.get(), wanted.size));
    bool isOld = true, isNew = true, metadataIsNeither = false;
    for (std::uint64_t at = 0; at < wanted.size; at += kWhole) {
        const std::string_view sector = present.view().substr(at, kWhole);
        const bool likeOld = sector == old.view().substr(at, kWhole);
        const bool likeNew = sector == fresh.view().substr(at, kWhole);
        isOld = isOld && likeOld;
        isNew = isNew && likeNew;
        if (likeOld || likeNew) continue;
        if (at >= 2 * wanted.copy.view.metadataSize) return RestoreState::Neither;
        metadataIsNeither = true;
    }
    if (isNew) return RestoreState::After;
    if (isOld) return RestoreState::Before;
    if (!metadataIsNeither) return RestoreState::Between;
    const auto metadata = readMetadata(now.get());
    const bool known = metadata && (isHeaderOf(*metadata, before) ||
                                    isHeaderOf(*metadata, wanted.copy.memory.get()));
    return known ? RestoreState::Between : RestoreState::Neither;
}

base::Status restoreHeader(int device, int before, const HeaderImage &wanted) {
    const int memory = wanted.copy.memory.get();
    const std::uint64_t copy = wanted.copy.view.metadataSize;
    const std::vector<Range> used = usedAreas(before);
    const Range areas{2 * copy, wanted.size};
    VC_TRY(copyAreas(memory, device, areas, used, false));
    // The copy that counts is the last to be written over.
    const auto metadata = readMetadata(device);
    std::array<Range, 2> copies{Range{copy, 2 * copy}, Range{0, copy}};
    if (metadata && !metadata->primary) std::swap(copies[0], copies[1]);
    for (const auto &[begin, end] : copies) {
        VC_TRY(copyBlocks(memory, device, begin, end));
        VC_TRY(flush(device));
    }
    return copyAreas(memory, device, areas, used, true);
}

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Compares the device's size with the mapping's.
#include <fmt/format.h>

#include "model/names.h"
#include "volume/content_room.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

constexpr std::uint64_t kRoomUnit = std::uint64_t{1} << 20;

}  // namespace

base::Result<MappingRoom> mappingRoom(const Session &session, const model::HeaderView &header) {
    const model::SegmentView &data = header.dataSegment();
    if (data.size != "dynamic")
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + ": its header gives its data a fixed size of " +
                              data.size + " bytes",
                          "Nothing was changed. Such a volume does not follow its device.");
    const std::uint64_t size = session.device().size;
    if (size <= data.offset)
        return base::fail(ErrorCode::NoSpace,
                          session.describe() + " ends before the data of its volume begins",
                          "Nothing was changed. Make the partition as large again as it was.");
    if (const std::uint64_t rest = (size - data.offset) % data.sectorSize; rest != 0)
        return base::fail(
            ErrorCode::Unsupported,
            fmt::format("{} ends in a part of a sector: its volume has sectors of {} bytes",
                        session.describe(), data.sectorSize),
            fmt::format("Nothing was changed. Make the partition {} bytes smaller before it is "
                        "locked: it could not be unlocked any more as it is.",
                        rest));
    auto mapping = blockdev::findDevice({.path = model::mappingPath(session.id())});
    if (!mapping) return base::fail(std::move(mapping).error().because(session.describe()));
    return MappingRoom{.now = mapping->size, .most = size - data.offset};
}

void noteUnusedRoom(const Session &session, const model::HeaderView &header, Outcome &outcome) {
    const auto room = mappingRoom(session, header);
    if (!room || room->most < room->now + kRoomUnit) return;
    const auto note = fmt::format("{} MiB of the device are not used: `volumecryptctl grow {}`",
                                  (room->most - room->now) / kRoomUnit, session.id().text());
    outcome.text += "; " + note;
    outcome.extra["notes"].push_back(note);
}

}  // namespace volumecrypt::volume

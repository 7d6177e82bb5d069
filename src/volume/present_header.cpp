// SPDX-License-Identifier: Apache-2.0
// Decides over a device by what blkid and the header itself say of it.
#include "volume/present_header.h"

#include <utility>

#include "luks/header_store.h"
#include "volume/device_state.h"
#include "volume/pin.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using blockdev::ContentKind;

base::Result<PresentHeader> damagedHeader(const Session &session, base::Error error) {
    PresentHeader present{.condition = "has a damaged header"};
    if (auto view = luks::openHeaderStore(session.device().node)->view())
        present.view = std::move(*view);
    if (present.view && present.view->isReencrypting())
        return base::fail(std::move(error).withHint(
            "Nothing was written: an older header would lose what is reencrypted by now. Let the "
            "reencryption be finished first."));
    if (error.code == ErrorCode::HeaderRefused) present.condition = "has a header that is refused";
    return present;
}

bool sameSegment(const model::SegmentView &a, const model::SegmentView &b) {
    return a.cipher == b.cipher && a.offset == b.offset && a.size == b.size &&
           a.ivTweak == b.ivTweak && a.sectorSize == b.sectorSize && a.integrity == b.integrity;
}

base::Error foreign(const Session &session, const std::string &what) {
    return {ErrorCode::ForeignVolume, session.describe() + ": the header backup " + what,
            "Nothing was written. Give a backup of this volume's header."};
}

}  // namespace

base::Result<PresentHeader> presentHeader(const Session &session) {
    VC_ASSIGN(const DeviceContent found, lookAtDevice(session));
    if (found.interruptedFormat || found.newerFormat || found.hasUnfinishedJob())
        return base::fail(unexpectedContent(session, found));
    switch (found.content.kind) {
        case ContentKind::Luks2:
            break;
        case ContentKind::Unknown:
        // A large volume with little in it looks blank once its header is zeroed.
        case ContentKind::Blank:
            return PresentHeader{.condition = "has no header any more"};
        default:
            return base::fail(unexpectedContent(session, found));
    }
    auto header = copyHeader(session);
    if (header) {
        const model::HeaderView view = header->view;
        return PresentHeader{.whole = std::move(*header), .view = view};
    }
    auto error = std::move(header).error();
    if (error.code == ErrorCode::HeaderCorrupt || error.code == ErrorCode::HeaderRefused)
        return damagedHeader(session, std::move(error));
    return base::fail(std::move(error));
}

base::Status expectSamePlace(const Session &session, const PresentHeader &present,
                             const model::HeaderView &backup) {
    if (!present.view) return {};
    const model::HeaderView &view = *present.view;
    if (view.uuid != backup.uuid)
        return base::fail(foreign(session, "is of the volume with the UUID " + backup.uuid +
                                               ", the device holds " + view.uuid));
    if (view.metadataSize != backup.metadataSize || view.keyslotsSize != backup.keyslotsSize)
        return base::fail(foreign(session,
                                  "has its key slots in other places than the header on "
                                  "the device"));
    const bool same =
        view.segments.size() == 1 && sameSegment(view.segments.front(), backup.segments.front());
    if (same) return {};
    // Whoever changed the header on the device may have moved the data; the pin was not changed.
    VC_ASSIGN(const Remembered remembered, rememberedOf(session, session.id(), backup.uuid));
    if (remembered.isThis && remembered.knowsSegment) return {};
    return base::fail(foreign(session,
                              "places or encrypts the data otherwise than the header on "
                              "the device"));
}

base::Status expectSameKey(const Session &session, const PresentHeader &present,
                           const base::SecretBuffer &volumeKey) {
    if (!present.whole || luks::isKeyOf(*present.whole, volumeKey)) return {};
    VC_ASSIGN(const bool pinned, hasPin(session));
    if (pinned) return {};
    return base::fail(foreign(session, "has another volume key than the header on the device"));
}

base::Result<SlotDifferences> compareSlots(const Session &session, const PresentHeader &present,
                                           const luks::HeaderCopy &backup) {
    SlotDifferences differences;
    const auto device = blockdev::openDevice(session.device(), false);
    if (!device) return base::fail(device.error());
    for (const auto &[slot, entry] : backup.view.slots) {
        VC_ASSIGN(const std::string digest,
                  luks::slotDigestOf(backup.memory.get(), backup.view, slot));
        const bool there = present.view && present.view->slots.contains(slot);
        if (there) {
            VC_ASSIGN(const std::string now,
                      luks::slotDigestOf(device->get(), *present.view, slot));
            if (now == digest) continue;
        }
        differences.revived.push_back(slot);
    }
    if (present.view)
        for (const auto &[slot, entry] : present.view->slots)
            if (!backup.view.slots.contains(slot)) differences.lost.push_back(slot);
    return differences;
}

}  // namespace volumecrypt::volume

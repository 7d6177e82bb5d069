// SPDX-License-Identifier: Apache-2.0
// restore-header: a backup over the header of a locked volume, when it is that volume's and a key
// opens it.
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/journal.h"
#include "blockdev/device.h"
#include "engine/verbs.h"
#include "luks/header_backup.h"
#include "luks/header_restore.h"
#include "volume/comparison.h"
#include "volume/device_state.h"
#include "volume/header_backup.h"
#include "volume/interrupted_restore.h"
#include "volume/pin.h"
#include "volume/present_header.h"
#include "volume/slot_session.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using volume::PresentHeader;

constexpr const char *kNothing = "Nothing was written. ";

base::Error aboutBackup(const volume::Session &session, base::Error error) {
    return std::move(error).because(session.describe() + ": the header backup");
}

base::Result<luks::HeaderImage> readGiven(const volume::Session &session) {
    auto image = luks::readBackup(session.headerFile(), session.device().size, volume::checkStop);
    if (image) return image;
    auto error = std::move(image).error();
    if (error.code == ErrorCode::Cancelled) return base::fail(std::move(error));
    // That of a header on a device is to restore a backup.
    if (error.code != ErrorCode::InvalidConfig)
        error.hint = std::string(kNothing) + "Give a file that `volumecryptctl backup-header " +
                     session.id().text() + " FILE` wrote.";
    return base::fail(aboutBackup(session, std::move(error)));
}

base::Status expectRoomForData(const volume::Session &session, const model::HeaderView &backup) {
    const model::SegmentView &segment = backup.segments.front();
    const std::uint64_t device = session.device().size;
    std::uint64_t size = segment.sectorSize;
    if (segment.size != "dynamic")
        std::from_chars(segment.size.data(), segment.size.data() + segment.size.size(), size);
    if (segment.offset <= device && size <= device - segment.offset) return {};
    return base::fail(
        ErrorCode::NoSpace,
        fmt::format("{}: by the header backup its data ends behind the device, which "
                    "has {} bytes",
                    session.describe(), device),
        std::string(kNothing) + "Make the partition as large as it was, or give the right backup.");
}

// Locked, and in nobody's use.
base::Result<blockdev::ExclusiveDevice> takeDevice(volume::Session &session) {
    VC_TRY(session.lock());
    const std::string hint =
        std::string(kNothing) + "Lock it first: `volumecryptctl lock " + session.id().text() + "`.";
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (mapped) return base::fail(ErrorCode::Busy, session.describe() + " is unlocked", hint);
    auto exclusive = blockdev::openExclusively(session.device(), volume::checkStop);
    if (exclusive) return exclusive;
    auto error = std::move(exclusive).error();
    if (error.hint.empty()) error.hint = hint;
    return base::fail(std::move(error).because(session.describe()));
}

// By the pin and by the header on the device.
base::Status expectThisVolume(const volume::Session &session, const PresentHeader &present,
                              const volume::OpenedVolume &opened) {
    const base::SecretBuffer &key = opened.unlocked.volumeKey;
    auto pinned = volume::checkPin(session, opened.header.view, key, opened.found.former);
    if (pinned) return volume::expectSameKey(session, present, key);
    auto error = std::move(pinned).error();
    if (error.code == ErrorCode::ForeignVolume)
        error.hint = std::string(kNothing) + "Give a backup of this volume's header.";
    return base::fail(std::move(error).because("the header backup"));
}

base::Result<volume::OpenedVolume> openBackup(const volume::Session &session,
                                              luks::HeaderCopy backup) {
    volume::KeyRing ring(session);
    auto opened = volume::openVolume(session, ring, std::move(backup));
    if (opened || opened.error().code == ErrorCode::Cancelled) return opened;
    auto error = std::move(opened).error();
    error.hint = std::string(kNothing) +
                 "Give a passphrase that was good when the backup was made: `volumecryptctl "
                 "restore-header " +
                 session.id().text() + " FILE --secret-file -`.";
    return base::fail(std::move(error).because("the header backup"));
}

// A key opens it, and it is of this volume.
base::Result<luks::HeaderCopy> prove(volume::Session &session, const PresentHeader &present,
                                     luks::HeaderCopy backup) {
    auto opened = openBackup(session, std::move(backup));
    // The keys were tried on the backup, and say nothing of the volume as it is.
    session.reporter().forgetKeys();
    if (!opened) return base::fail(std::move(opened).error());
    VC_TRY(expectThisVolume(session, present, *opened));
    return std::move(opened->header);
}

// By what is remembered its volume key is being changed: an older header would lose what is
// reencrypted by now, also where the present one is gone.
base::Status expectNoKeyChange(const volume::Session &session, const model::HeaderView &backup) {
    VC_ASSIGN(const volume::Remembered remembered,
              volume::rememberedOf(session, session.id(), backup.uuid));
    if (!remembered.hasNext) return {};
    const std::string id = session.id().text();
    return base::fail(
        ErrorCode::HeaderRefused,
        session.describe() + " is getting a new volume key, and the header backup is older",
        std::string(kNothing) + "Let `volumecryptctl rotate-volume-key " + id +
            "` come to its end first. Where the header is lost, so is what was encrypted anew by "
            "now; `volumecryptctl forget " +
            id + "` makes this machine accept the backup for the rest.");
}

// Where neither the device nor the machine can say whose header it is, somebody has to.
base::Status expectConfirmed(const volume::Session &session, const PresentHeader &present) {
    VC_ASSIGN(const bool pinned, volume::hasPin(session));
    if (pinned || present.whole || !session.options().confirm.empty()) return {};
    return base::fail(
        ErrorCode::HeaderCorrupt,
        session.describe() + " " + present.condition +
            ", and this machine remembers nothing of the volume: whether the backup is of it, "
            "nothing here can tell",
        std::string(kNothing) + "If you know that it is, run `volumecryptctl restore-header " +
            session.id().text() + " FILE --confirm " + session.id().text() + "`.");
}

std::string slotList(const std::vector<unsigned> &slots) {
    return (slots.size() == 1 ? "slot " : "slots ") + fmt::format("{}", fmt::join(slots, ", "));
}

// What the restored header revives, and what it does not know.
std::vector<std::string> consequences(const volume::SlotDifferences &slots) {
    std::vector<std::string> notes{"header restored"};
    if (!slots.revived.empty())
        notes.push_back("back as in the backup, though removed or changed since: " +
                        slotList(slots.revived));
    if (!slots.lost.empty())
        notes.push_back("gone, since the backup does not have it: " + slotList(slots.lost));
    return notes;
}

base::Status write(const volume::Session &session, int device, const luks::HeaderImage &wanted) {
    VC_TRY(volume::checkStop());
    VC_ASSIGN(const base::UniqueFd before, volume::beginRestore(session, device, wanted));
    auto written = luks::restoreHeader(device, before.get(), wanted);
    if (written) {
        VC_ASSIGN(const luks::RestoreState state,
                  luks::restoreStateOf(device, before.get(), wanted));
        if (state != luks::RestoreState::After)
            written = base::fail(ErrorCode::Io, "the device does not hold what was written");
    }
    if (!written) {
        auto error = std::move(written).error();
        error.hint =
            "The header may be restored in part. The next attach tries to finish it; what was "
            "there before is " +
            session.options().paths.headerBackup(session.id(), volume::kept_for::kRestore) + ".";
        return base::fail(std::move(error).because(session.describe()));
    }
    return volume::endRestore(session);
}

volume::Outcome unchanged(const volume::Session &session) {
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    outcome.extra["notes"] = nlohmann::json::array({"the header is that of the backup already"});
    outcome.text = session.describe() + ": its header is that of the backup already";
    return outcome;
}

void tell(const volume::Session &session, const std::vector<std::string> &notes,
          volume::Outcome &outcome) {
    const std::string next = "`volumecryptctl sync " + session.id().text() + "`";
    outcome.state = model::VolumeState::Locked;
    outcome.changed = true;
    outcome.extra["notes"] = notes;
    outcome.extra["notes"].push_back(next + " brings the declared keys in");
    outcome.text = session.describe() + ": " + fmt::format("{}", fmt::join(notes, "; ")) +
                   ". Run " + next +
                   ": it brings the declared keys in and takes away what is ours and not "
                   "declared any more";
    base::log(base::Severity::Notice,
              session.describe() + ": " + fmt::format("{}", fmt::join(notes, "; ")),
              {{"VOLUME", session.id().text()}, {"OPERATION", "restore-header"}});
}

}  // namespace

base::Result<volume::Outcome> restoreHeader(volume::Session &session) {
    VC_TRY(volume::prepareKeyEdit(session));
    VC_TRY(volume::expectWritable(session));
    VC_ASSIGN(luks::HeaderImage wanted, readGiven(session));
    VC_TRY(expectRoomForData(session, wanted.copy.view));
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive, takeDevice(session));
    VC_TRY(volume::settleRestore(session));
    VC_ASSIGN(const PresentHeader present, volume::presentHeader(session));
    VC_TRY(volume::expectSamePlace(session, present, wanted.copy.view));
    VC_TRY(expectConfirmed(session, present));
    VC_TRY(expectNoKeyChange(session, wanted.copy.view));
    VC_ASSIGN(wanted.copy, prove(session, present, std::move(wanted.copy)));
    const int device = exclusive.device.get();
    VC_ASSIGN(const bool same, luks::isThere(device, wanted));
    if (same) return unchanged(session);
    VC_ASSIGN(const volume::SlotDifferences slots,
              volume::compareSlots(session, present, wanted.copy));
    if (!slots.revived.empty())
        session.reporter().warning(
            ErrorCode::KeyRejected,
            session.describe() +
                ": an old header brings removed keys back: " + slotList(slots.revived) +
                ". Whoever has one of them can open the volume until it is removed again");
    VC_TRY(write(session, device, wanted));
    volume::Outcome outcome;
    tell(session, consequences(slots), outcome);
    return outcome;
}

}  // namespace volumecrypt::engine

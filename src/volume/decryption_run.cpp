// SPDX-License-Identifier: Apache-2.0
// Questions first; then room, copies, and the marker; then the data.
#include <chrono>
#include <utility>

#include "base/journal.h"
#include "blockdev/device_users.h"
#include "luks/decryption.h"
#include "luks/mapping.h"
#include "model/names.h"
#include "volume/decryption.h"
#include "volume/pin.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

std::string goesOn(const Session &session) {
    return "Its data is not lost: `volumecryptctl decrypt " + session.id().text() + "` goes on.";
}

base::Status expectNoUsers(const Session &session) {
    VC_ASSIGN(const auto users, blockdev::usersOf(session.device()));
    if (users.empty()) return {};
    std::string list;
    for (const std::string &user : users) list += (list.empty() ? "" : ", ") + user;
    return base::fail(ErrorCode::Busy, session.describe() + " is in use: " + list,
                      "Nothing was written. Unmount it and close what is on top of it (`lsblk` "
                      "shows it), then try again.");
}

base::Status expectCleanLog(const Session &session, const std::string &mapping) {
    VC_ASSIGN(const std::string trouble, blockdev::logTrouble(mapping, "xfs"));
    if (trouble.empty()) return {};
    return base::fail(ErrorCode::Unsupported, session.describe() + ": its file system " + trouble,
                      "Nothing was written. Declare its `encryption` again, unlock it, mount and "
                      "unmount it; lock it, and try again.");
}

// What programs do, for which there has to be a mapping. Interrupted it stays: a volume that is
// unlocked, and whose file system has its old size or the new one.
base::Status prepareThroughMapping(const Session &session, const OpenedBySecret &opened,
                                   const EncryptedContent &content) {
    // A log that is not replayed may hold another size.
    const bool isXfs = content.extent.type == "xfs";
    if (content.hasRoom() && !isXfs) return {};
    if (session.device().isFile)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() +
                              " is a plain file: whether an xfs in it was "
                              "unmounted cannot be found out",
                          "Nothing was written. Set a loop device up for it (`losetup --find "
                          "--show " +
                              session.device().node + "`) and declare that.");
    const std::string name = model::mappingName(session.id());
    const std::string mapping = model::mappingPath(session.id());
    VC_TRY(luks::activate(opened.header, session.device().node, name, opened.volumeKey, {}));
    auto done = isXfs ? expectCleanLog(session, mapping)
                      : blockdev::shrinkFilesystem(mapping, content.extent, content.most);
    auto closed = luks::deactivate(name, false);
    if (!done && isXfs) return done;
    if (!done)
        return base::fail(std::move(done).error().because(
            session.describe() + ": its file system could not be made smaller"));
    if (closed) return {};
    return base::fail(std::move(closed).error().because(session.describe()));
}

// What is in the tail opens the volume, before the header that it is a copy of goes.
base::Status proveCopy(const Session &session, int fd, const luks::DecryptionMarker &marker,
                       const OpenedBySecret &opened) {
    VC_ASSIGN(luks::HeaderCopy copy, luks::headerOfDecryption(fd, marker));
    VC_ASSIGN(const OpenedBySecret again, openBySecret(session, std::move(copy)));
    const model::SegmentView &before = opened.header.view.dataSegment();
    const model::SegmentView &after = again.header.view.dataSegment();
    if (again.volumeKey == opened.volumeKey && before.offset == after.offset &&
        before.ivTweak == after.ivTweak && before.sectorSize == after.sectorSize &&
        before.cipher == after.cipher)
        return {};
    return base::fail(ErrorCode::Busy,
                      session.describe() + ": its header was changed by somebody else meanwhile",
                      "Nothing has happened to the volume. Try again.");
}

luks::ReencryptionControl controlOf(const Session &session) {
    luks::ReencryptionControl control;
    control.progress = [&session](std::uint64_t done, std::uint64_t total) {
        session.reporter().progress(done, total);
    };
    control.pause = [](std::chrono::milliseconds time) {
        return waitUnlessStopped(static_cast<int>(time.count()));
    };
    control.rate = session.options().rate;
    return control;
}

base::Status moveData(const Session &session, int fd, const luks::DecryptionMarker &marker) {
    VC_ASSIGN(luks::HeaderCopy copy, luks::headerOfDecryption(fd, marker));
    VC_ASSIGN(const OpenedBySecret opened, openBySecret(session, std::move(copy)));
    VC_TRY(expectOurs(session, opened));
    const model::SegmentView &data = opened.header.view.dataSegment();
    if (data.offset != marker.dataOffset)
        return base::fail(ErrorCode::HeaderCorrupt,
                          "its decryption was begun with another header than is put aside",
                          "Nothing was written. Copy the device before anything else.");
    const luks::DecryptionCipher cipher{
        .volumeKey = opened.volumeKey, .sectorSize = data.sectorSize, .firstSector = data.ivTweak};
    VC_ASSIGN(const bool whole, luks::moveDecrypted(fd, marker, cipher, controlOf(session)));
    if (whole) return {};
    VC_TRY(checkStop());
    return base::fail(ErrorCode::Internal, session.describe() + ": the decryption stopped");
}

base::Status runOn(const Session &session, int fd, const luks::DecryptionMarker &marker) {
    VC_ASSIGN(const luks::DecryptionRecord record, luks::findDecryptionRecord(fd, marker));
    if (record.phase == luks::DecryptionPhase::Moving) VC_TRY(moveData(session, fd, marker));
    return luks::endDecryption(fd, marker, [&] { return dropPin(session); });
}

}  // namespace

base::Result<luks::DecryptionMarker> startDecryption(const Session &session,
                                                     const DeviceContent &found) {
    VC_TRY(expectNoUsers(session));
    VC_ASSIGN(luks::HeaderCopy header, readHeader(session, found));
    VC_ASSIGN(const OpenedBySecret opened, openBySecret(session, std::move(header)));
    VC_TRY(expectOurs(session, opened));
    {
        VC_ASSIGN(const base::UniqueFd device, blockdev::openDevice(session.device(), false));
        VC_ASSIGN(const EncryptedContent content,
                  measureEncrypted(session, device.get(), opened.header.view, opened.volumeKey));
        VC_TRY(checkStop());
        VC_TRY(prepareThroughMapping(session, opened, content));
    }
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device(), checkStop));
    const int fd = exclusive.device.get();
    VC_ASSIGN(EncryptedContent content,
              measureEncrypted(session, fd, opened.header.view, opened.volumeKey));
    if (!content.hasRoom())
        return base::fail(ErrorCode::NoSpace,
                          session.describe() + ": its file system did not become small enough",
                          "Its data is untouched. Shrink it by hand, then try again.");
    // From here on the tail is written to, which the file system does not reach.
    if (auto prepared = luks::prepareDecryption(fd, content.places); !prepared)
        return base::fail(std::move(prepared).error().because(session.describe()));
    VC_TRY(proveCopy(session, fd, content.places, opened));
    VC_TRY(checkStop());
    if (auto begun = luks::beginDecryption(fd, content.places); !begun)
        return base::fail(std::move(begun).error().because(session.describe()));
    return std::move(content.places);
}

base::Status runDecryption(const Session &session, const luks::DecryptionMarker &marker) {
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device(), checkStop));
    auto done = runOn(session, exclusive.device.get(), marker);
    if (!done) {
        auto error = std::move(done).error();
        if (error.hint.empty()) error.hint = goesOn(session);
        return base::fail(std::move(error).because(session.describe()));
    }
    base::log(base::Severity::Notice, "Decrypted " + session.describe() + " in place",
              {{"VOLUME", session.id().text()}, {"OPERATION", "decrypt"}});
    return {};
}

}  // namespace volumecrypt::volume

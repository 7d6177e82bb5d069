// SPDX-License-Identifier: Apache-2.0
// Header, room, exchange: what can fail comes first, what is written comes last.
#include <utility>

#include "blockdev/filesystem_extent.h"
#include "luks/encryption_begin.h"
#include "luks/first_segment.h"
#include "model/record.h"
#include "volume/encryption.h"
#include "volume/first_header.h"
#include "volume/pin.h"
#include "volume/plain_content.h"
#include "volume/record_book.h"
#include "volume/shrink_note.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

// A key that is in the header and at hand: libcryptsetup wants one.
base::Status beginWithKey(KeyRing &ring, const luks::NewHeader &header,
                          const luks::FormatParameters &parameters) {
    VC_ASSIGN(const model::HeaderView view, header.store->view());
    for (const model::KeySpec *key : ring.keys())
        if (const base::SecretBuffer *passphrase = ring.known(*key);
            passphrase != nullptr && view.slots.contains(key->slot))
            return luks::beginEncryption(header, parameters, key->slot, *passphrase);
    return base::fail(ErrorCode::Internal, "no key of the new header is at hand");
}

base::Result<luks::NewHeader> makeHeader(const Session &session, KeyRing &ring,
                                         unsigned sectorSize) {
    const model::EncryptionSpec &encryption = session.encryption();
    const luks::FormatParameters parameters{.cipher = encryption.cipher,
                                            .keyBits = encryption.keyBits,
                                            .sectorSize = sectorSize,
                                            .deviceSize = session.device().size,
                                            .keyslotsSize = luks::kEncryptionKeyslotsSize};
    // Ready: nothing may ever make a file system on it.
    model::Record record;
    record.phase = model::Phase::Ready;
    record.job = model::Job{.operation = model::JobOperation::Encrypt};
    VC_ASSIGN(luks::NewHeader header,
              buildFirstHeader(session, ring, parameters, std::move(record)));
    if (auto begun = beginWithKey(ring, header, parameters); !begun)
        return base::fail(std::move(begun).error().because(session.describe()));
    return header;
}

base::Status expectNoOther(const Session &session) {
    VC_ASSIGN(const bool pinned, hasPin(session));
    if (!pinned) return {};
    return base::fail(
        ErrorCode::ForeignVolume,
        session.describe() +
            " holds a plain file system, but this machine remembers an encrypted "
            "volume in its place",
        "Nothing was written. If that volume is given up, run `volumecryptctl forget " +
            session.id().text() + "`, then try again.");
}

}  // namespace

base::Status startEncryption(const Session &session, KeyRing &ring, const DeviceContent &found) {
    VC_TRY(expectNoOther(session));
    VC_ASSIGN(const PlainContent plain, expectEncryptable(session, found));
    // What takes time, or asks others for keys, comes before the device is held and written to.
    VC_ASSIGN(const luks::NewHeader header, makeHeader(session, ring, plain.sectorSize));
    VC_TRY(checkStop());
    if (!plain.hasRoom()) VC_TRY(makeRoom(session, plain));
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device(), checkStop));
    // Somebody may have come in between.
    VC_ASSIGN(const DeviceContent now, lookAtDevice(session));
    if (now.content.kind != found.content.kind || now.content.type != found.content.type ||
        now.content.uuid != found.content.uuid)
        return base::fail(
            base::Error(ErrorCode::Busy,
                        session.describe() + " was changed by somebody else meanwhile",
                        "Try again when the other program is done.")
                .withRetry());
    VC_ASSIGN(const PlainContent after,
              measurePlain(session, exclusive.device.get(), now.content.type));
    if (!after.hasRoom())
        return base::fail(ErrorCode::NoSpace,
                          session.describe() + ": its file system did not become small enough",
                          "Its data is untouched. Shrink it by hand, then try again.");
    VC_TRY(checkStop());
    auto done = luks::exchangeFirstSegment(exclusive.device.get(), session.id(), header);
    if (done) return {};
    auto error = std::move(done).error();
    if (error.hint.empty())
        error.hint = "Its data is not lost. When the device works again, `volumecryptctl encrypt " +
                     session.id().text() + "` goes on.";
    return base::fail(std::move(error).because(session.describe()));
}

base::Result<bool> finishStart(const Session &session, const luks::EncryptionMarker &marker) {
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device(), checkStop));
    const int fd = exclusive.device.get();
    auto done = [&]() -> base::Result<bool> {
        if (marker.deviceSize == session.device().size) return luks::finishExchange(fd, marker);
        VC_TRY(luks::undoExchange(fd, marker));
        return false;
    }();
    if (!done) return base::fail(std::move(done).error().because(session.describe()));
    return done;
}

}  // namespace volumecrypt::volume

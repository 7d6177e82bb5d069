// SPDX-License-Identifier: Apache-2.0
// Makes the first header of a volume: in memory, then on the device.
#include "volume/first_header.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/files.h"
#include "base/journal.h"
#include "blockdev/content.h"
#include "keys/derivations.h"
#include "luks/first_segment.h"
#include "model/slot_token.h"
#include "volume/content_room.h"
#include "volume/device_state.h"
#include "volume/enrol.h"
#include "volume/key_failures.h"
#include "volume/maker.h"
#include "volume/record_book.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

base::Status writeToken(const Session &session, luks::HeaderStore &store, const model::KeySpec &key,
                        const std::string &json) {
    VC_ASSIGN(const model::HeaderView view, store.view());
    VC_ASSIGN(const unsigned id,
              model::chooseSlotToken(view, key.kind(), key.slot, session.encryption().keys));
    return store.setToken(id, json);
}

base::Status enrolAll(const Session &session, KeyRing &ring, luks::NewHeader &header,
                      model::Record &record, const base::SecretBuffer &recordKey) {
    // A job keeps its state in a key slot.
    const std::size_t most = record.job ? model::kSlotCount - 1 : model::kSlotCount;
    KeyFailures failures;
    for (const model::KeySpec *key : ring.keys()) {
        VC_TRY(checkStop());
        if (record.slots.size() == most) break;  // sync adds it when the job is done
        auto made = ring.create(*key);
        if (!made) {
            failures.add(made.error());
            session.reporter().warning(
                made.error().code, made.error().message + "; the volume is made without this key");
            continue;
        }
        VC_TRY(addAndProve(session, *header.store, key->slot, key->kind(), header.volumeKey,
                           made->passphrase));
        if (!made->token.empty()) VC_TRY(writeToken(session, *header.store, *key, made->token));
        model::RecordSlot entry = entryFor(*key, ring);
        VC_TRY(completeEntry(*header.store, key->slot, recordKey, made->passphrase, entry));
        record.slots.emplace(key->slot, std::move(entry));
        ring.remember(*key, made->passphrase);
    }
    if (!record.slots.empty()) return {};
    return base::fail(failures.summary(
        session.describe() + ": none of the declared keys can be had, so it was not formatted",
        "Correct the keys in the configuration; nothing was written."));
}

base::Status wipeEnd(int fd, std::uint64_t size) {
    constexpr std::uint64_t kSignatures = std::uint64_t{1} << 20;
    const std::uint64_t length = std::min(kSignatures, size);
    const std::vector<std::byte> zeros(length);
    VC_TRY(base::writeExactly(fd, zeros, size - length));
    if (::fsync(fd) < 0) return base::fail(base::errnoError("flush the device", errno));
    return {};
}

// Whether `device` may be formatted; the caller holds it exclusively.
base::Status checkWritable(const Session &session, int fd) {
    VC_ASSIGN(const auto marker, luks::readFormattingMarker(fd));
    if (marker == session.id().text()) return {};
    VC_ASSIGN(const bool newer, luks::hasNewerMarker(fd));
    if (newer) return base::fail(newerFormat(session));
    VC_ASSIGN(const blockdev::Content content, blockdev::probeContent(fd, session.device().size));
    if (content.kind == blockdev::ContentKind::Blank) return {};
    VC_ASSIGN(const luks::FoundEncryptionMarker begun, luks::findEncryptionMarker(fd));
    if (begun.marker || begun.isOther) {
        VC_ASSIGN(const DeviceContent found, lookAtDevice(session));
        return base::fail(unexpectedContent(session, found));
    }
    return base::fail(
        ErrorCode::NotBlank, session.describe() + " is not blank: it holds " + content.describe(),
        "Nothing was written. " +
            (content.hasLuks() ? giveUpHint(session, content)
                               : "To give up what it holds, run `volumecryptctl wipe " +
                                     session.id().text() + "`, or format it with --force."));
}

}  // namespace

base::Result<luks::NewHeader> buildFirstHeader(const Session &session, KeyRing &ring) {
    const model::EncryptionSpec &encryption = session.encryption();
    return buildFirstHeader(session, ring,
                            {.cipher = encryption.cipher,
                             .keyBits = encryption.keyBits,
                             .sectorSize = sectorSizeFor(session),
                             .deviceSize = session.device().size},
                            {});
}

base::Result<luks::NewHeader> buildFirstHeader(const Session &session, KeyRing &ring,
                                               const luks::FormatParameters &parameters,
                                               model::Record record) {
    const model::EncryptionSpec &encryption = session.encryption();
    auto header = luks::buildHeader(parameters);
    if (!header) return base::fail(std::move(header).error().because(session.describe()));
    const base::SecretBuffer recordKey = keys::recordKey(header->volumeKey);
    record.volume = session.id().text();
    record.machine = machineMark(session, recordKey);
    VC_TRY(enrolAll(session, ring, *header, record, recordKey));
    VC_ASSIGN(const model::HeaderView view, header->store->view());
    VC_ASSIGN(const unsigned token, chooseRecordToken(view, encryption.keys, std::nullopt));
    VC_TRY(header->store->setToken(token, sealRecord(record, recordKey)));
    return std::move(*header);
}

base::Status expectBlank(const Session &session) {
    VC_ASSIGN(const base::UniqueFd device, blockdev::openDevice(session.device(), false));
    return checkWritable(session, device.get());
}

base::Status formatDevice(const Session &session, KeyRing &ring, bool overwrite) {
    VC_TRY(expectRoom(session));
    if (!overwrite) VC_TRY(expectBlank(session));
    // The key derivations take seconds, and other volumes of the same disk may be waiting for it:
    // it is held for the writes only, and looked at again before the first of them.
    VC_ASSIGN(const luks::NewHeader header, buildFirstHeader(session, ring));
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device(), checkStop));
    const int fd = exclusive.device.get();
    if (!overwrite) VC_TRY(checkWritable(session, fd));
    VC_TRY(checkStop());
    if (overwrite) VC_TRY(wipeEnd(fd, session.device().size));
    if (auto written = luks::writeHeader(fd, session.id(), header); !written) {
        if (written.error().hint.empty())
            written.error().hint =
                "Its header may be written in part; the next attach starts the format over.";
        return base::fail(std::move(written).error().because(session.describe()));
    }
    base::log(base::Severity::Notice, "Formatted " + session.describe() + " as LUKS2",
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeFormatted)},
               {"VOLUME", session.id().text()},
               {"OPERATION", "format"}});
    return {};
}

}  // namespace volumecrypt::volume

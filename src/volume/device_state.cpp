// SPDX-License-Identifier: Apache-2.0
// Looks at the device without changing it.
#include "volume/device_state.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "blockdev/device.h"
#include "luks/decryption.h"
#include "luks/first_segment.h"
#include "luks/header_store.h"
#include "luks/header_write.h"
#include "model/names.h"
#include "model/volume_spec.h"
#include "volume/former_name.h"
#include "volume/record_book.h"
#include "volume/unfinished_job.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using blockdev::ContentKind;

// What src/luks, which knows no volume, writes for the device and for the volume.
constexpr std::string_view kDeviceInHints = "DEVICE";
constexpr std::string_view kVolumeInHints = " ID ";

base::Error makeError(ErrorCode code, std::string message, std::string hint) {
    return {code, std::move(message), std::move(hint)};
}

constexpr const char *kLuksType = "crypto_LUKS";

std::string wipefsCommands(const Session &session, const std::vector<blockdev::Signature> &others) {
    std::string commands;
    for (const blockdev::Signature &other : others)
        if (other.type != kLuksType)
            commands += (commands.empty() ? "" : ", ") +
                        fmt::format("`wipefs -o 0x{:x} {}`", other.offset, session.device().node);
    return commands;
}

// Its own record makes a header ours, whatever else there seems to be.
void recogniseOurs(const Session &session, DeviceContent &found) {
    if (found.content.luks != blockdev::LuksBeside::Primary2) return;
    const auto header = luks::copyHeaderInFlight(session.device().node);
    if (!header) return;
    const FoundRecord record = peekRecord(header->view);
    if (!record.record) return;
    if (record.record->volume != session.id().text() && !formerName(session, *record.record))
        return;
    for (const blockdev::Signature &signature : found.content.signatures)
        if (signature.type != kLuksType) found.others.push_back(signature);
    found.content = {};
    found.content.kind = ContentKind::Luks2;
    found.content.type = kLuksType;
    found.content.uuid = header->view.uuid;
}

}  // namespace

base::Result<bool> isMapped(const Session &session) {
    if (session.device().isFile) return false;
    const std::string name = model::mappingName(session.id());
    auto mapping = luks::findMapping(name);
    if (!mapping) return base::fail(std::move(mapping).error().because(session.describe()));
    if (!*mapping) return false;
    if ((*mapping)->isCrypt && (*mapping)->backingDevice == session.device().number) return true;
    return base::fail(makeError(ErrorCode::Busy,
                                session.describe() + ": the mapping " + name +
                                    " exists and belongs to another device or to one that is gone",
                                "Stop what still uses " + model::mappingPath(session.id()) +
                                    ", remove the mapping with `dmsetup remove " + name +
                                    "`, then try again.")
                          .withRetry());
}

base::Status expectWritable(const Session &session) {
    auto readOnly = blockdev::isReadOnly(session.device());
    if (!readOnly) return base::fail(std::move(readOnly).error().because(session.describe()));
    if (!*readOnly) return {};
    const std::string remedy = session.device().isFile
                                   ? "Make the file and its file system writable"
                                   : "Take the write protection away (a switch of the medium, or "
                                     "`blockdev --setrw " +
                                         session.device().node + "`)";
    return base::fail(makeError(ErrorCode::Unsupported, session.describe() + " is read-only",
                                "Nothing was written. " + remedy + ", then try again."));
}

base::Result<DeviceContent> lookAtDevice(const Session &session) {
    auto fd = blockdev::openDevice(session.device(), false);
    if (!fd) return base::fail(std::move(fd).error().because(session.describe()));
    DeviceContent found;
    VC_ASSIGN(const auto marker, luks::readFormattingMarker(fd->get()));
    // A mark that names another volume is content like any other.
    if (marker == session.id().text()) {
        found.interruptedFormat = true;
        return found;
    }
    VC_ASSIGN(found.newerFormat, luks::hasNewerMarker(fd->get()));
    if (found.newerFormat) {
        found.content.kind = ContentKind::Unknown;
        return found;
    }
    VC_ASSIGN(luks::FoundEncryptionMarker begun, luks::findEncryptionMarker(fd->get()));
    if (begun.marker || begun.isOther) {
        found.content.kind = ContentKind::Unknown;
        found.otherEncryption = !begun.marker || begun.marker->volume != session.id().text();
        if (!found.otherEncryption) found.interruptedEncryption = std::move(begun.marker);
        return found;
    }
    VC_ASSIGN(luks::FoundDecryptionMarker moving, luks::findDecryptionMarker(fd->get()));
    if (moving.marker || moving.isOther) {
        found.content.kind = ContentKind::Unknown;
        found.otherDecryption = !moving.marker || moving.marker->volume != session.id().text();
        if (!found.otherDecryption) found.interruptedDecryption = std::move(moving.marker);
        return found;
    }
    auto content = blockdev::probeContent(fd->get(), session.device().size);
    if (!content) return base::fail(std::move(content).error().because(session.describe()));
    found.content = std::move(*content);
    recogniseOurs(session, found);
    return found;
}

base::Error newerFormat(const Session &session) {
    return makeError(
        ErrorCode::Unsupported,
        session.describe() + ": a newer version of volumecrypt began to format or to wipe it",
        "Nothing was written. Update volumecrypt, or start over: `volumecryptctl wipe " +
            session.id().text() + "`.");
}

base::Error unexpectedContent(const Session &session, const DeviceContent &found) {
    const std::string id = session.id().text();
    if (found.interruptedFormat)
        return makeError(ErrorCode::NotLuks2,
                         session.describe() + ": its first format was interrupted",
                         "Run `volumecryptctl unlock " + id + "`: it starts the format over.");
    if (found.newerFormat) return newerFormat(session);
    if (found.interruptedEncryption)
        return makeError(ErrorCode::HeaderRefused,
                         session.describe() + ": its encryption was begun and is unfinished",
                         "Nothing was written. " + encryptHint(session));
    if (found.otherEncryption)
        return makeError(ErrorCode::HeaderRefused,
                         session.describe() +
                             ": the encryption of another volume, or by a newer version of "
                             "volumecrypt, was begun on it and is unfinished",
                         "Nothing was written. Declare the device for the volume that it was "
                         "declared for, or update volumecrypt.");
    if (found.interruptedDecryption)
        return makeError(ErrorCode::HeaderRefused,
                         session.describe() + ": its decryption was begun and is unfinished",
                         "Nothing was written. With the volume declared without encryption, "
                         "`volumecryptctl decrypt " +
                             id + "` goes on with it.");
    if (found.otherDecryption)
        return makeError(ErrorCode::HeaderRefused,
                         session.describe() +
                             ": the decryption of another volume, or by a newer version of "
                             "volumecrypt, was begun on it and is unfinished",
                         "Nothing was written. Declare the device for the volume that it was "
                         "declared for, or update volumecrypt.");
    switch (found.content.kind) {
        case ContentKind::Blank:
            return makeError(ErrorCode::NotLuks2, session.describe() + " is blank",
                             "Run `volumecryptctl unlock " + id + "` to encrypt and format it.");
        case ContentKind::Luks1:
            return makeError(ErrorCode::NotLuks2,
                             session.describe() + " is a LUKS1 volume, not LUKS2",
                             "Nothing was written. Convert it with `cryptsetup convert " +
                                 session.device().node + " --type luks2`.");
        case ContentKind::Luks2:
            return makeError(
                ErrorCode::EncryptedNotDeclared,
                "volume is encrypted, but no encryption config provided: " + session.describe(),
                "Nothing was written. Declare its `encryption`, or make it plain with its data: "
                "`volumecryptctl decrypt " +
                    id + "`.");
        default:
            return makeError(ErrorCode::NotBlank,
                             session.describe() + " holds " + found.content.describe() +
                                 ", not an encrypted volume",
                             "Nothing was written. " + giveUpHint(session, found.content));
    }
}

std::string encryptHint(const Session &session) {
    return "`volumecryptctl encrypt " + session.id().text() + "` goes on with it.";
}

void warnOfOthers(const Session &session, const DeviceContent &found) {
    if (found.others.empty()) return;
    std::string types = kLuksType;
    for (const blockdev::Signature &other : found.others) types += " and " + other.type;
    session.reporter().warning(
        ErrorCode::NotBlank,
        session.describe() + " holds signatures of more than one kind (" + types +
            "): its LUKS header has this volume's record, so it is opened. If the device is not "
            "part "
            "of something larger, remove the old signature while the volume is locked: " +
            wipefsCommands(session, found.others));
}

std::string giveUpHint(const Session &session, const blockdev::Content &content) {
    switch (content.luks) {
        case blockdev::LuksBeside::Primary1:
        case blockdev::LuksBeside::Primary2:
            return "If the LUKS volume is what is in use, remove what is left of the other: " +
                   wipefsCommands(session, content.signatures) + ".";
        case blockdev::LuksBeside::SecondaryOnly:
            return "There are remains of a LUKS2 header as well: if something was written over an "
                   "encrypted volume, copy the device before anything else, then restore a header "
                   "backup or try `cryptsetup repair " +
                   session.device().node + "`.";
        case blockdev::LuksBeside::None:
            break;
    }
    if (content.hasLuks())
        return "`volumecryptctl unlock " + session.id().text() +
               "` opens it if a declared key does; `cryptsetup luksDump " + session.device().node +
               "` shows what it is.";
    const std::string wipe = "ave its data, then run `volumecryptctl wipe " + session.id().text() +
                             "` and unlock it again.";
    if (content.kind != ContentKind::Filesystem || !session.spec().encryption) return "S" + wipe;
    return "`volumecryptctl encrypt " + session.id().text() +
           "` encrypts it where it is, with its data; or s" + wipe;
}

base::Status checkUnclaimed(const Session &session) {
    auto name = blockdev::nameInCrypttab(session.options().paths, session.device());
    if (!name) return base::fail(std::move(name).error().because(session.describe()));
    if (!*name) return {};
    return base::fail(
        makeError(ErrorCode::NotBlank,
                  session.describe() + " looks blank, but /etc/crypttab opens it as " + **name,
                  "Nothing was written. With a detached header a volume in use looks like this. "
                  "Remove the line "
                  "from /etc/crypttab if it is not needed any more."));
}

std::string forDevice(const Session &session, std::string hint) {
    const auto put = [&hint](std::string_view word, const std::string &value) {
        for (std::size_t at = 0; (at = hint.find(word, at)) != std::string::npos;
             at += value.size())
            hint.replace(at, word.size(), value);
    };
    put(kDeviceInHints, session.device().node);
    put(kVolumeInHints, " " + session.id().text() + " ");
    return hint;
}

base::Result<luks::HeaderCopy> copyHeader(const Session &session) {
    auto header = luks::copyHeader(session.device().node);
    if (header) return header;
    if (const auto flying = reencryptingHeader(session))
        if (const auto job = peekJob(*flying)) return base::fail(jobUnfinished(session, *job));
    auto error = std::move(header).error();
    error.hint = forDevice(session, error.hint);
    if (error.code == ErrorCode::HeaderCorrupt && error.hint.empty())
        error.hint =
            "Nothing was written. Restore the header from a backup: "
            "`volumecryptctl restore-header " +
            session.id().text() + " FILE`.";
    return base::fail(std::move(error).because(session.describe()));
}

bool isBeingEncrypted(const Session &session) {
    const auto view = luks::openHeaderStore(session.device().node)->view();
    if (!view) return false;
    const FoundRecord found = peekRecord(*view);
    return found.record && found.record->job &&
           found.record->job->operation == model::JobOperation::Encrypt &&
           found.record->volume == session.id().text();
}

std::optional<model::HeaderView> reencryptingHeader(const Session &session) {
    auto view = luks::openHeaderStore(session.device().node)->view();
    const bool isOne = view && view->isReencrypting() && !view->segments.empty();
    // What it says is shown, though nobody has checked it.
    if (!isOne || model::findCipher(view->dataSegment().cipher) == nullptr) return std::nullopt;
    return std::move(*view);
}

base::Result<luks::HeaderCopy> readHeader(const Session &session) {
    VC_ASSIGN(const DeviceContent found, lookAtDevice(session));
    return readHeader(session, found);
}

base::Result<luks::HeaderCopy> readHeader(const Session &session, const DeviceContent &found) {
    if (found.interruptedFormat || found.content.kind != ContentKind::Luks2)
        return base::fail(unexpectedContent(session, found));
    auto header = copyHeader(session);
    if (!header) return header;
    warnOfOthers(session, found);
    if (header->needsRepair)
        session.reporter().warning(ErrorCode::HeaderCorrupt,
                                   session.describe() +
                                       ": one of the two copies of its header is damaged or out of "
                                       "date; the other is used");
    return std::move(*header);
}

base::Result<model::VolumeState> encryptedState(const Session &session) {
    VC_ASSIGN(const bool mapped, isMapped(session));
    return mapped ? model::VolumeState::Unlocked : model::VolumeState::Locked;
}

}  // namespace volumecrypt::volume

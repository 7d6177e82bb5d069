// SPDX-License-Identifier: Apache-2.0
// attach of a volume that is declared without encryption.
#include <utility>

#include "base/journal.h"
#include "blockdev/filesystem.h"
#include "engine/verbs.h"
#include "model/names.h"
#include "volume/content_room.h"
#include "volume/device_state.h"
#include "volume/first_header.h"
#include "volume/state_meta.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using blockdev::ContentKind;

base::Status makePlainFilesystem(const volume::Session &session) {
    VC_TRY(volume::mayFormat(session));
    VC_TRY(volume::expectWritable(session));
    VC_TRY(volume::expectRoom(session));
    // mkfs opens the device itself; holding it exclusively before proves that nobody else does.
    {
        VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
                  blockdev::openExclusively(session.device(), volume::checkStop));
    }
    auto made = blockdev::makeFilesystem(session.spec().filesystem, session.device().node);
    if (!made) return base::fail(std::move(made).error().because(session.describe()));
    base::log(base::Severity::Notice, "Made a file system on " + session.describe(),
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeFormatted)},
               {"VOLUME", session.id().text()},
               {"OPERATION", "format"}});
    return {};
}

}  // namespace

base::Result<volume::Outcome> attachPlain(volume::Session &session) {
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Plain;
    VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
    const model::FilesystemType declared = session.spec().filesystem.type;
    if (found.content.kind == ContentKind::Blank || found.interruptedFormat) {
        if (declared == model::FilesystemType::None && !found.interruptedFormat) return outcome;
        VC_TRY(makePlainFilesystem(session));
        volume::saveStateEncryption(session);
        outcome.changed = true;
        return outcome;
    }
    if (found.content.kind != ContentKind::Filesystem)
        return base::fail(volume::unexpectedContent(session, found));
    if (declared != model::FilesystemType::None &&
        found.content.type != model::filesystemName(declared))
        return base::fail(
            ErrorCode::NotBlank,
            "filesystem type mismatch: " + found.content.type + " != " +
                std::string(model::filesystemName(declared)) + " (" + session.describe() + ")",
            "Nothing was written. Declare the type that is there" +
                (found.content.hasLuks() ? ". " + volume::giveUpHint(session, found.content)
                                         : ", or give its data up with `volumecryptctl wipe " +
                                               session.id().text() + "`."));
    volume::saveStateEncryption(session);
    return outcome;
}

}  // namespace volumecrypt::engine

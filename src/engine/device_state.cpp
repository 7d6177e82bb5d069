// SPDX-License-Identifier: Apache-2.0
// Looking at the device without changing it.
#include "engine/device_state.h"

#include <string_view>
#include <utility>

#include "luks/header_build.h"
#include "model/names.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using blockdev::ContentKind;

// What src/luks, which knows no volume, writes for the device.
constexpr std::string_view kDeviceInHints = "DEVICE";

base::Error makeError(ErrorCode code, std::string message, std::string hint) {
    base::Error error;
    error.code = code;
    error.message = std::move(message);
    error.hint = std::move(hint);
    return error;
}

}  // namespace

base::Result<bool> isMapped(const Session &session) {
    if (session.device().isFile) return false;
    const std::string name = model::mappingName(session.id());
    auto mapping = luks::findMapping(name);
    if (!mapping) return base::fail(std::move(mapping).error().because(session.describe()));
    if (!*mapping) return false;
    if ((*mapping)->isCrypt && (*mapping)->backingDevice == session.device().number) return true;
    return base::fail(
        makeError(ErrorCode::Busy,
                  session.describe() + ": the mapping " + name +
                      " exists and belongs to another device or to one that is gone",
                  "Stop what still uses " + model::mappingPath(session.id()) + ", then try again.")
            .withRetry());
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
    auto content = blockdev::probeContent(fd->get(), session.device().size);
    if (!content) return base::fail(std::move(content).error().because(session.describe()));
    found.content = std::move(*content);
    return found;
}

base::Error unexpectedContent(const Session &session, const DeviceContent &found) {
    const std::string id = session.id().text();
    if (found.interruptedFormat)
        return makeError(ErrorCode::NotLuks2,
                         session.describe() + ": its first format was interrupted",
                         "Run `volumecryptctl unlock " + id + "`: it starts the format over.");
    switch (found.content.kind) {
        case ContentKind::Blank:
            return makeError(ErrorCode::NotLuks2, session.describe() + " is blank",
                             "Run `volumecryptctl unlock " + id + "` to encrypt and format it.");
        case ContentKind::Luks1:
            return makeError(
                ErrorCode::NotLuks2, session.describe() + " is a LUKS1 volume, not LUKS2",
                "Nothing was written. Convert it with `cryptsetup convert " +
                    session.device().node +
                    " --type luks2`, or give its data up with `volumecryptctl wipe " + id + "`.");
        case ContentKind::Luks2:
            return makeError(
                ErrorCode::EncryptedNotDeclared,
                "volume is encrypted, but no encryption config provided: " + session.describe(),
                "Nothing was written. Declare its `encryption`, or give its data up with "
                "`volumecryptctl wipe " +
                    id + "`.");
        default:
            return makeError(ErrorCode::NotBlank,
                             session.describe() + " holds " + found.content.describe() +
                                 ", not an encrypted volume",
                             "Nothing was written. Save its data, then run `volumecryptctl wipe " +
                                 id + "` and unlock it again.");
    }
}

base::Result<luks::HeaderCopy> copyHeader(const Session &session) {
    auto header = luks::copyHeader(session.device().node);
    if (header) return header;
    auto error = std::move(header).error();
    // Commands of a hint, for this device.
    for (std::size_t at = 0; (at = error.hint.find(kDeviceInHints, at)) != std::string::npos;)
        error.hint.replace(at, kDeviceInHints.size(), session.device().node);
    if (error.code == ErrorCode::HeaderCorrupt && error.hint.empty())
        error.hint =
            "Nothing was written. Restore the header from a backup: `cryptsetup "
            "luksHeaderRestore " +
            session.device().node + " --header-backup-file FILE`.";
    return base::fail(std::move(error).because(session.describe()));
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

}  // namespace volumecrypt::engine

// SPDX-License-Identifier: Apache-2.0
// grow: the mapping and the mounted file system follow the device, which became larger. The header
// says nothing of sizes ("dynamic") and stays as it is, and the pin with it. Killed anywhere, the
// same call goes on.
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/files.h"
#include "base/journal.h"
#include "base/mount_info.h"
#include "blockdev/filesystem.h"
#include "engine/verbs.h"
#include "luks/mapping.h"
#include "model/names.h"
#include "volume/comparison.h"
#include "volume/content_room.h"
#include "volume/device_state.h"
#include "volume/pin.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using model::FilesystemType;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

std::string again(const volume::Session &session) {
    return "then run `volumecryptctl grow " + session.id().text() + "` again.";
}

// The mapping is the volume that the device's header describes now, not an earlier one's.
base::Status expectSameVolume(const volume::Session &session, const model::HeaderView &header) {
    VC_ASSIGN(const auto mapping, luks::findMapping(model::mappingName(session.id())));
    if (mapping && mapping->uuid == header.uuid) return {};
    return base::fail(
        ErrorCode::ForeignVolume,
        session.describe() + ": its header is not that of the volume that is unlocked",
        "Nothing was changed. Save what is on the volume before it is locked: the "
        "header on the device does not open it.");
}

// Whether it became larger.
base::Result<bool> growMapping(volume::Session &session) {
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (!mapped)
        return base::fail(
            ErrorCode::Unsupported, session.describe() + " is locked: an unlocked volume grows",
            "Run `volumecryptctl unlock " + session.id().text() + "`, " + again(session));
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeader(session));
    VC_TRY(expectSameVolume(session, header.view));
    VC_ASSIGN(const volume::MappingRoom room, volume::mappingRoom(session, header.view));
    if (room.most < room.now)
        return base::fail(
            ErrorCode::NoSpace,
            fmt::format("{} is smaller than its mapping, by {} bytes", session.describe(),
                        room.now - room.most),
            "Nothing was changed. Make the partition as large again as it was, at once: what is "
            "behind its end is out of reach.");
    if (room.most == room.now) return false;
    session.reporter().progress(room.now, room.most);
    volume::KeyRing ring(session);
    VC_ASSIGN(const volume::OpenedVolume volume,
              volume::openVolume(session, ring, std::move(header)));
    VC_TRY(volume::checkPin(session, volume.header.view, volume.unlocked.volumeKey,
                            volume.found.former));
    VC_TRY(volume::checkStop());
    if (auto grown = luks::resize(model::mappingName(session.id()), volume.header,
                                  session.device().node, volume.unlocked.volumeKey);
        !grown)
        return base::fail(std::move(grown).error().because(session.describe()));
    session.reporter().progress(room.most, room.most);
    return true;
}

// Of several mounts, one that may be written by.
base::Result<std::optional<base::MountEntry>> findMount(const std::string &device) {
    VC_ASSIGN(const std::string text, base::readFile("/proc/self/mountinfo"));
    std::optional<base::MountEntry> found;
    for (base::MountEntry &mount : base::mountsOf(text, device))
        if (!found || (found->readOnlyHere && !mount.readOnlyHere)) found = std::move(mount);
    return found;
}

base::Result<bool> growContent(const volume::Session &session, const std::string &device) {
    VC_ASSIGN(const auto mount, findMount(device));
    const FilesystemType type = session.spec().filesystem.type;
    if (!mount && (type == FilesystemType::None || type == FilesystemType::Swap)) return false;
    if (!mount)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() +
                              ": its file system is not mounted, and was left as "
                              "it is",
                          "A file system grows while it is mounted. Mount it, " + again(session));
    auto grown = blockdev::growFilesystem(*mount, device);
    if (!grown) return base::fail(std::move(grown).error().because(session.describe()));
    return grown;
}

base::Result<std::string> sizeText(const std::string &device) {
    VC_ASSIGN(const blockdev::Device found, blockdev::findDevice({.path = device}));
    return fmt::format("{} MiB", found.size / kMebibyte);
}

base::Status prepareToGrow(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    if (session.device().isFile)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + " is a plain file, which has no mapping to grow",
                          "Make the file larger; it has its new size when it is used.");
    VC_TRY(volume::expectWritable(session));
    return session.lock();
}

}  // namespace

base::Result<volume::Outcome> grow(volume::Session &session) {
    VC_TRY(prepareToGrow(session));
    const bool encrypted = session.spec().encryption.has_value();
    const std::string content =
        encrypted ? model::mappingPath(session.id()) : session.device().node;
    bool mappingGrew = false;
    if (encrypted) {
        VC_ASSIGN(mappingGrew, growMapping(session));
    }
    VC_TRY(volume::checkStop());
    VC_ASSIGN(const bool contentGrew, growContent(session, content));
    volume::Outcome outcome;
    outcome.state = encrypted ? model::VolumeState::Unlocked : model::VolumeState::Plain;
    outcome.changed = mappingGrew || contentGrew;
    outcome.extra["mappingGrew"] = mappingGrew;
    outcome.extra["filesystemGrew"] = contentGrew;
    VC_ASSIGN(const std::string size, sizeText(content));
    outcome.text = session.describe() +
                   (outcome.changed ? ": grown to " + size : ": fills its device already");
    if (!outcome.changed) return outcome;
    outcome.extra["notes"] = nlohmann::json::array({"grown to " + size});
    base::log(base::Severity::Notice, outcome.text,
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeGrown)},
               {"VOLUME", session.id().text()},
               {"OPERATION", "grow"}});
    return outcome;
}

}  // namespace volumecrypt::engine

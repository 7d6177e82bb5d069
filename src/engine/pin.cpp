// SPDX-License-Identifier: Apache-2.0
// /var/lib/volumecrypt/pins/ID.json, and the same in STATE: LUKS UUID, and an HMAC under the volume
// key.
#include "engine/pin.h"

#include <cerrno>
#include <vector>

#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/files.h"
#include "base/hex.h"
#include "engine/state_place.h"
#include "keys/digests.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

// STATE's copy outlives a root file system that was made anew, and is encrypted. Only a STATE that
// is mounted counts.
std::vector<std::string> placesOf(const Session &session) {
    std::vector<std::string> places{session.options().paths.pin(session.id())};
    if (session.id().kind() == model::VolumeKind::State) return places;
    if (const auto state = statePlace(session); state && keys::checkStateMounted(*state))
        places.push_back(state->where + "/volumecrypt/pins/" + session.id().text() + ".json");
    return places;
}

base::Result<bool> isThere(const std::string &path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return base::fail(base::errnoError("look for the pin " + path, errno));
}

std::string pinText(const Session &session, const std::string &uuid,
                    const base::SecretBuffer &volumeKey) {
    const Json pin{{"version", 1},
                   {"volume", session.id().text()},
                   {"uuid", uuid},
                   {"digest", base::toHex(keys::pinDigest(volumeKey))}};
    return pin.dump() + "\n";
}

std::string forgetHint(const Session &session) {
    return "If this is meant, run `volumecryptctl forget " + session.id().text() +
           "` and try again.";
}

base::Status comparePin(const Session &session, const std::string &path, const std::string &uuid,
                        const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const std::string text, base::readFile(path, 65536));
    const Json pin = Json::parse(text, nullptr, false);
    if (!pin.is_object() || !pin.contains("uuid") || !pin.contains("digest"))
        return base::fail(ErrorCode::HeaderCorrupt, "the pin " + path + " cannot be read",
                          forgetHint(session));
    const bool same =
        pin["uuid"] == uuid && pin["digest"] == base::toHex(keys::pinDigest(volumeKey));
    if (same) return {};
    return base::fail(
        ErrorCode::ForeignVolume,
        session.describe() + " is not the volume that this machine made: its UUID is " + uuid +
            (pin["uuid"] == uuid ? ", its volume key is another one"
                                 : ", another one is remembered") +
            (path == placesOf(session).front() ? "" : " by STATE (" + path + ")"),
        "The device may have been swapped, or restored from a copy. " + forgetHint(session));
}

}  // namespace

base::Result<bool> hasPin(const Session &session) {
    for (const std::string &path : placesOf(session)) {
        VC_ASSIGN(const bool there, isThere(path));
        if (there) return true;
    }
    return false;
}

base::Status checkPin(const Session &session, const std::string &uuid,
                      const base::SecretBuffer &volumeKey) {
    for (const std::string &path : placesOf(session)) {
        VC_ASSIGN(const bool there, isThere(path));
        if (there) VC_TRY(comparePin(session, path, uuid, volumeKey));
    }
    return {};
}

base::Status writePin(const Session &session, const std::string &uuid,
                      const base::SecretBuffer &volumeKey) {
    for (const std::string &path : placesOf(session)) {
        VC_ASSIGN(const bool there, isThere(path));
        if (there) continue;
        auto written = base::writeFileAtomically(path, pinText(session, uuid, volumeKey), 0600);
        if (!written)
            session.reporter().warning(
                written.error().code,
                session.describe() + " is not pinned yet: " + written.error().message);
    }
    return {};
}

base::Status dropPin(const Session &session) {
    for (const std::string &path : placesOf(session)) {
        // Early in boot the root may be read-only: what is not there needs no writing.
        VC_ASSIGN(const bool there, isThere(path));
        if (there && ::unlink(path.c_str()) < 0 && errno != ENOENT)
            return base::fail(base::errnoError("remove the pin " + path, errno));
    }
    return {};
}

base::Status checkNotPinned(const Session &session) {
    VC_ASSIGN(const bool pinned, hasPin(session));
    if (!pinned) return {};
    return base::fail(
        ErrorCode::VolumeVanished,
        session.describe() +
            " is empty, but this machine made an encrypted volume there and remembers it",
        "Nothing was written. The device may have been swapped or its header overwritten: restore "
        "a header "
        "backup if there is one. " +
            forgetHint(session));
}

}  // namespace volumecrypt::engine

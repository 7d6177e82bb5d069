// SPDX-License-Identifier: Apache-2.0
// /etc/volumecrypt/state/pins/ID.json, and the same in STATE: LUKS UUID, and an HMAC under the
// volume key.
#include "engine/pin.h"

#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/hex.h"
#include "engine/device_wipe.h"
#include "engine/early_state.h"
#include "engine/state_place.h"
#include "keys/digests.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

enum class Keeper { Early, Earlier, State };

struct Place {
    Keeper keeper;
    std::string path;
};

// Where earlier versions kept pins counts until it is moved: maybe only sync, which comes after the
// mounts, sees it. STATE's copy outlives a root file system that was made anew, and is encrypted;
// only a STATE that is mounted counts.
std::vector<Place> placesOf(const Session &session) {
    const model::SystemPaths &paths = session.options().paths;
    std::vector<Place> places{{Keeper::Early, paths.pin(session.id())},
                              {Keeper::Earlier, paths.oldPin(session.id())}};
    if (session.id().kind() == model::VolumeKind::State) return places;
    if (const auto state = statePlace(session); state && keys::checkStateMounted(*state))
        places.push_back(
            {Keeper::State, state->where + "/volumecrypt/pins/" + session.id().text() + ".json"});
    return places;
}

// Those that are there.
base::Result<std::vector<Place>> pinsOf(const Session &session) {
    VC_TRY(checkEarlyState(session));
    std::vector<Place> pins;
    for (Place &place : placesOf(session)) {
        VC_ASSIGN(const bool there, isRemembered(place.path));
        if (there) pins.push_back(std::move(place));
    }
    return pins;
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

base::Status comparePin(const Session &session, const Place &place, const std::string &uuid,
                        const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const std::string text, base::readFile(place.path, 65536));
    const Json pin = Json::parse(text, nullptr, false);
    if (!pin.is_object() || !pin.contains("uuid") || !pin.contains("digest"))
        return base::fail(ErrorCode::HeaderCorrupt, "the pin " + place.path + " cannot be read",
                          forgetHint(session));
    const bool same =
        pin["uuid"] == uuid && pin["digest"] == base::toHex(keys::pinDigest(volumeKey));
    if (same) return {};
    return base::fail(
        ErrorCode::ForeignVolume,
        session.describe() + " is not the volume that this machine made: its UUID is " + uuid +
            (pin["uuid"] == uuid ? ", its volume key is another one"
                                 : ", another one is remembered") +
            (place.keeper == Keeper::State ? " by STATE (" + place.path + ")" : ""),
        "The device may have been swapped, or restored from a copy. " + forgetHint(session));
}

// What moved: once the new file is there, the old one is no longer needed.
void dropEarlier(const Session &session) {
    const std::string path = session.options().paths.oldPin(session.id());
    if (auto dropped = forgetFile(path); !dropped)
        session.reporter().warning(dropped.error().code, session.describe() + ": " +
                                                             dropped.error().message +
                                                             "; its pin is kept elsewhere by now");
}

base::Status remember(const Session &session, const Place &place, const std::string &text) {
    if (place.keeper == Keeper::Early) return rememberEarly(session, place.path, text);
    return base::writeFileAtomically(place.path, text, 0600);
}

}  // namespace

base::Result<bool> hasPin(const Session &session) {
    VC_ASSIGN(const std::vector<Place> pins, pinsOf(session));
    return !pins.empty();
}

base::Status checkPin(const Session &session, const std::string &uuid,
                      const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const std::vector<Place> pins, pinsOf(session));
    for (const Place &pin : pins) VC_TRY(comparePin(session, pin, uuid, volumeKey));
    return {};
}

base::Status writePin(const Session &session, const std::string &uuid,
                      const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const bool givenUp, isStagedWipe(session, uuid));
    if (givenUp) return {};
    for (const Place &place : placesOf(session)) {
        if (place.keeper == Keeper::Earlier) continue;
        VC_ASSIGN(const bool there, isRemembered(place.path));
        if (there) continue;
        if (auto written = remember(session, place, pinText(session, uuid, volumeKey)); !written) {
            session.reporter().warning(
                written.error().code,
                session.describe() + " is not pinned yet: " + written.error().message);
            if (place.keeper == Keeper::Early) return {};
        }
    }
    dropEarlier(session);
    return {};
}

base::Status dropPin(const Session &session) {
    VC_TRY(checkEarlyState(session));
    for (const Place &place : placesOf(session)) VC_TRY(forgetFile(place.path));
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

// SPDX-License-Identifier: Apache-2.0
// Keeps pins: /etc/volumecrypt/state/pins/ID.json, and the same in STATE.
#include "volume/pin.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "base/file_below.h"
#include "base/text.h"
#include "volume/device_wipe.h"
#include "volume/early_state.h"
#include "volume/pin_text.h"
#include "volume/record_book.h"
#include "volume/state_meta.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using base::FileBelow;

enum class Keeper { Early, Earlier, State };

struct Place {
    Keeper keeper;
    FileBelow file;
};

FileBelow inDirectory(const std::filesystem::path &path) {
    return {.root = path.parent_path(), .name = path.filename()};
}

// Where earlier versions kept pins counts until it is moved: maybe only sync, which comes after the
// mounts, sees it. STATE's copy outlives a root file system that was made anew, and is encrypted;
// only a STATE that is mounted counts.
std::vector<Place> placesOf(const Session &session, const model::VolumeId &id) {
    const model::SystemPaths &paths = session.options().paths;
    std::vector<Place> places{{Keeper::Early, inDirectory(paths.pin(id))},
                              {Keeper::Earlier, inDirectory(paths.oldPin(id))}};
    if (id.kind() == model::VolumeKind::State) return places;
    if (const auto state = statePlace(session); state && keys::checkStateMounted(*state))
        places.push_back(
            {Keeper::State,
             {.root = state->where, .name = "volumecrypt/pins/" + id.text() + ".json"}});
    return places;
}

base::Result<bool> isThere(const Place &place) {
    auto there = base::existsBelow(place.file);
    if (!there) return base::fail(std::move(there).error().because("look for the pin"));
    return there;
}

// Those that are there.
base::Result<std::vector<Place>> pinsOf(const Session &session, const model::VolumeId &id) {
    VC_TRY(checkEarlyState(session));
    std::vector<Place> pins;
    for (Place &place : placesOf(session, id)) {
        VC_ASSIGN(const bool there, isThere(place));
        if (there) pins.push_back(std::move(place));
    }
    return pins;
}

std::string forgetHint(const Session &session) {
    return "If this is meant, run `volumecryptctl forget " + session.id().text() +
           "` and try again.";
}

constexpr std::size_t kLongestPin = 65536;

base::Result<PinComparison> compareWith(const Session &session, const model::VolumeId &id,
                                        const Place &place, const model::HeaderView &header,
                                        const base::SecretBuffer &volumeKey) {
    auto text = base::readBelow(place.file, kLongestPin);
    if (!text)
        return base::fail(std::move(text)
                              .error()
                              .because("the pin of " + session.describe())
                              .withHint(forgetHint(session)));
    auto compared = comparePin(*text, place.file.path(), id, header, volumeKey);
    if (compared) return compared;
    auto error = std::move(compared).error().because(session.describe());
    if (error.hint.empty()) error.hint = forgetHint(session);
    return base::fail(std::move(error));
}

base::Error foreign(const Session &session, const Place &place, const PinComparison &compared) {
    base::Error error(
        ErrorCode::ForeignVolume,
        session.describe() + " is not the volume that this machine made: " + compared.difference +
            (place.keeper == Keeper::State ? " by STATE (" + place.file.path() + ")" : ""),
        "The device may have been swapped, or restored from a copy. ");
    if (compared.headerChanged)
        error.hint =
            "Nothing was written. Its header was changed: opened like this the volume would read "
            "as garbage. Restore a header backup: `volumecryptctl restore-header " +
            session.id().text() + " FILE`. ";
    error.hint += forgetHint(session);
    return error;
}

// What moved: once the new file is there, the old one is no longer needed.
void dropEarlier(const Session &session) {
    const std::string path = session.options().paths.oldPin(session.id());
    if (auto dropped = forgetFile(path); !dropped)
        session.reporter().warning(dropped.error().code, session.describe() + ": " +
                                                             dropped.error().message +
                                                             "; its pin is kept elsewhere by now");
}

const char *howPinned(bool there, bool outdated) {
    if (outdated) return " is pinned by its key alone as yet: ";
    return there ? " is pinned without its machine as yet: " : " is not pinned yet: ";
}

base::Status checkPinOf(const Session &session, const model::VolumeId &id,
                        const model::HeaderView &header, const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const std::vector<Place> pins, pinsOf(session, id));
    for (const Place &pin : pins) {
        VC_ASSIGN(const PinComparison compared, compareWith(session, id, pin, header, volumeKey));
        if (compared.difference.empty()) continue;
        auto error = foreign(session, pin, compared);
        if (id != session.id()) error.message += "; its former name is " + id.text();
        return base::fail(std::move(error));
    }
    return {};
}

base::Status remember(const Session &session, const Place &place, const std::string &text) {
    if (place.keeper == Keeper::Early) return rememberEarly(session, place.file.path(), text);
    return base::writeBelow(place.file, text, 0600);
}

// A copy of the pin that is out of reach would go on to know the volume by its old key alone.
base::Status expectStatesCopy(const Session &session) {
    const auto state = statePlace(session);
    if (session.id().kind() == model::VolumeKind::State || !state) return {};
    auto mounted = keys::checkStateMounted(*state);
    if (mounted) return {};
    return base::fail(std::move(mounted)
                          .error()
                          .because(session.describe() + ": the copy of its pin in STATE must know "
                                                        "both volume keys")
                          .withHint("Nothing was changed. Unlock and mount STATE first."));
}

}  // namespace

base::Result<bool> hasPin(const Session &session) {
    VC_ASSIGN(const std::vector<Place> pins, pinsOf(session, session.id()));
    return !pins.empty();
}

base::Status checkPin(const Session &session, const model::HeaderView &header,
                      const base::SecretBuffer &volumeKey,
                      const std::optional<model::VolumeId> &former) {
    VC_TRY(checkPinOf(session, session.id(), header, volumeKey));
    return former ? checkPinOf(session, *former, header, volumeKey) : base::Status();
}

base::Status dropFormerPin(const Session &session, const model::VolumeId &former,
                           const model::HeaderView &header, const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const Remembered present, rememberedOf(session, session.id(), header.uuid));
    if (!present.isThis) return {};
    VC_ASSIGN(const std::vector<Place> pins, pinsOf(session, former));
    for (const Place &pin : pins) {
        VC_ASSIGN(const PinComparison compared,
                  compareWith(session, former, pin, header, volumeKey));
        if (compared.difference.empty()) VC_TRY(base::removeBelow(pin.file));
    }
    return {};
}

base::Result<Remembered> rememberedOf(const Session &session, const model::VolumeId &id,
                                      const std::string &uuid) {
    VC_TRY(checkEarlyState(session));
    const FileBelow file = inDirectory(session.options().paths.pin(id));
    VC_ASSIGN(const bool there, base::existsBelow(file));
    if (!there) return Remembered{};
    VC_ASSIGN(const std::string text, base::readBelow(file, kLongestPin));
    PinClaim claim = claimOfPin(text);
    return Remembered{.isThis = claim.uuid == uuid,
                      .isOther = !claim.uuid.empty() && claim.uuid != uuid,
                      .machine = std::move(claim.machine),
                      .knowsSegment = claim.knowsSegment,
                      .hasNext = claim.hasNext};
}

base::Status writePin(const Session &session, const model::HeaderView &header,
                      const base::SecretBuffer &volumeKey, const std::string &machine) {
    VC_ASSIGN(const bool givenUp, isStagedWipe(session, header.uuid));
    if (givenUp) return {};
    const FoundRecord found = peekRecord(header);
    if (found.record && found.record->job) return {};
    for (const Place &place : placesOf(session, session.id())) {
        if (place.keeper == Keeper::Earlier) continue;
        VC_ASSIGN(const bool there, isThere(place));
        bool outdated = false;
        if (there) {
            VC_ASSIGN(const PinComparison compared,
                      compareWith(session, session.id(), place, header, volumeKey));
            outdated = compared.outdated || compared.hasNext;
            if (!outdated && compared.machine == base::toHex(machine)) continue;
        }
        auto written = remember(session, place, pinText(session.id(), header, volumeKey, machine));
        if (written) continue;
        session.reporter().warning(
            written.error().code,
            session.describe() + howPinned(there, outdated) + written.error().message);
        // Then the earlier one is still needed.
        if (place.keeper == Keeper::Early) return {};
    }
    dropEarlier(session);
    return {};
}

base::Status writePinWithNext(const Session &session, const model::HeaderView &header,
                              const base::SecretBuffer &volumeKey,
                              const base::SecretBuffer &nextVolumeKey, const std::string &machine) {
    VC_TRY(checkEarlyState(session));
    VC_TRY(expectStatesCopy(session));
    const std::string text =
        pinTextWithNext(session.id(), header, volumeKey, nextVolumeKey, machine);
    for (const Place &place : placesOf(session, session.id())) {
        if (place.keeper == Keeper::Earlier) continue;
        if (auto written = remember(session, place, text); !written)
            return base::fail(std::move(written)
                                  .error()
                                  .because(session.describe() + ": its pin must know both keys")
                                  .withHint("Nothing was changed. The pin is kept in " +
                                            place.file.path() + ": make that writable."));
    }
    dropEarlier(session);
    return {};
}

base::Status dropPin(const Session &session) {
    VC_TRY(checkEarlyState(session));
    for (const Place &place : placesOf(session, session.id())) {
        // Early in boot the root may be read-only: what is not there needs no writing.
        VC_ASSIGN(const bool there, isThere(place));
        if (!there) continue;
        if (auto removed = base::removeBelow(place.file); !removed)
            return base::fail(std::move(removed).error().because("the pin"));
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

}  // namespace volumecrypt::volume

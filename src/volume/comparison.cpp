// SPDX-License-Identifier: Apache-2.0
// Opens a volume, authenticates its record and plans.
#include "volume/comparison.h"

#include <utility>

#include "keys/derivations.h"
#include "volume/device_state.h"
#include "volume/maker.h"

namespace volumecrypt::volume {
namespace {

// The name that was tried came from a record that nobody had vouched for yet.
base::Status checkFormerName(const Session &session, const OpenedVolume &volume) {
    if (!volume.unlocked.formerName || volume.unlocked.formerName == volume.found.former) return {};
    return base::fail(
        base::ErrorCode::HeaderCorrupt,
        session.describe() + ": no declared key opens it; the key of the name " +
            volume.unlocked.formerName->text() +
            " does, but the record that gives it this name was changed by somebody without the "
            "volume key",
        "Nothing was written. `volumecryptctl unlock " + session.id().text() +
            " --passphrase` opens it by a passphrase or a recovery key.");
}

}  // namespace

std::string OpenedVolume::ownMark() const {
    return maker == Maker::Here && found.record ? found.record->machine : std::string();
}

base::Result<OpenedVolume> openVolume(const Session &session, KeyRing &ring) {
    VC_ASSIGN(luks::HeaderCopy header, readHeader(session));
    return openVolume(session, ring, std::move(header));
}

base::Result<OpenedVolume> openVolume(const Session &session, KeyRing &ring,
                                      luks::HeaderCopy header) {
    OpenedVolume volume;
    volume.header = std::move(header);
    VC_ASSIGN(volume.unlocked, unlock(session, volume.header, ring));
    volume.recordKey = keys::recordKey(volume.unlocked.volumeKey);
    volume.found = authenticateRecord(session, volume.header.view, volume.recordKey);
    const bool newer = volume.found.trust == model::RecordTrust::Newer;
    if (newer || volume.found.trust == model::RecordTrust::MacWrong)
        session.reporter().warning(
            newer ? base::ErrorCode::Unsupported : base::ErrorCode::HeaderCorrupt,
            session.describe() + ": " + volume.found.problem);
    VC_TRY(checkFormerName(session, volume));
    VC_ASSIGN(volume.maker, findMaker(session, volume.header.view, volume.found, volume.recordKey));
    return volume;
}

base::Result<std::vector<model::Step>> compare(const Session &session, const OpenedVolume &volume,
                                               KeyRing &ring) {
    VC_ASSIGN(model::PlanInput input, gatherEvidence(session, volume.header, ring, volume.unlocked,
                                                     volume.found, volume.recordKey));
    input.madeElsewhere = volume.maker == Maker::Elsewhere && !session.options().adopt;
    return model::planSync(input);
}

std::vector<model::Step> stepsForBlank(const KeyRing &ring) {
    std::vector<model::Step> steps;
    for (const model::KeySpec *key : ring.keys())
        steps.push_back({.action = model::StepAction::Add,
                         .slot = key->slot,
                         .kind = key->kind(),
                         .reason = "the device is blank: it will be encrypted and formatted",
                         .error = {}});
    return steps;
}

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// Opening, authenticating and planning.
#include "engine/comparison.h"

#include <utility>

#include "engine/device_state.h"
#include "engine/evidence.h"
#include "keys/digests.h"

namespace volumecrypt::engine {

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
    volume.found = authenticateRecord(volume.header.view, session.id(), volume.recordKey);
    if (volume.found.trust == model::RecordTrust::MacWrong ||
        volume.found.trust == model::RecordTrust::Newer)
        session.reporter().warning(base::ErrorCode::HeaderCorrupt,
                                   session.describe() + ": " + volume.found.problem);
    return volume;
}

base::Result<std::vector<model::Step>> compare(const Session &session, const OpenedVolume &volume,
                                               KeyRing &ring) {
    VC_ASSIGN(const model::PlanInput input,
              gatherEvidence(session, volume.header, ring, volume.unlocked, volume.found,
                             volume.recordKey));
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

}  // namespace volumecrypt::engine

// SPDX-License-Identifier: Apache-2.0
// Gathers what the planner needs to know of each declared key, with as few key derivations as
// possible.
#pragma once

#include "base/result.h"
#include "luks/header_copy.h"
#include "model/sync_plan.h"
#include "volume/key_ring.h"
#include "volume/record_book.h"
#include "volume/session.h"
#include "volume/unlock.h"

namespace volumecrypt::volume {

// A key derivation runs only where the record's check cannot answer: for slots that are not in the
// record, and for slots whose area is not the recorded one; with --verify for every slot.
base::Result<model::PlanInput> gatherEvidence(const Session &session,
                                              const luks::HeaderCopy &header, KeyRing &ring,
                                              const Unlocked &unlocked, const FoundRecord &found,
                                              const base::SecretBuffer &recordKey);

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// A volume whose record names a job: what may be done with it, and how its header is read.
#pragma once

#include <optional>

#include "base/result.h"
#include "luks/header_copy.h"
#include "model/header_view.h"
#include "model/record.h"
#include "volume/comparison.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// The job that the record names; nobody has vouched for it (see peekRecord).
std::optional<model::Job> peekJob(const model::HeaderView &view);

// Busy: what is under way, and how to go on with it.
base::Error jobUnfinished(const Session &session, const model::Job &job);

// The header of a volume, in flight or not (luks::copyHeaderInFlight), in flight only when the
// record names a job. Tokens of the temporary slots are shown as those of the slots that these
// stand for: what their passphrases come from is found as ever. Errors as readHeader.
base::Result<luks::HeaderCopy> readHeaderOfJob(const Session &session);

// Whether the record names a job, as peekJob sees it.
bool hasJob(const Session &session);

// Opens a volume whose record names a change of its volume key, by a key of either, and compares it
// with its pin. Busy for another job; HeaderCorrupt when the record is not to be trusted.
base::Result<OpenedVolume> openWithJob(const Session &session, KeyRing &ring,
                                       luks::HeaderCopy header);

}  // namespace volumecrypt::volume

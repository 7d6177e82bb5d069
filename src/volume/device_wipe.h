// SPDX-License-Identifier: Apache-2.0
// Giving up what a device holds, so that the next attach makes the declared volume on it.
#pragma once

#include <string>

#include "base/result.h"
#include "blockdev/content.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// On a device that nobody uses: drops the pin, zeroes both 16 MiB ends, discards the device. What
// is not blank even then (the device cannot discard) is left with the mark of a format to be
// started over. Safe against power loss: from the first write on, the mark says that the device may
// be formatted. Busy, Io.
base::Status wipeDevice(const Session &session);

// For an active volume: remembered in the early state directory, and done by the next attach to
// exactly this content (its UUID). Io when that attach could not see it.
base::Status stageWipe(const Session &session, const blockdev::Content &content);
// What stageWipe remembered; empty when it did not. Asked before the device is looked at.
base::Result<std::string> stagedWipe(const Session &session);
// Whether the volume with this UUID is to be wiped by the next attach.
base::Result<bool> isStagedWipe(const Session &session, const std::string &uuid);
// From where earlier versions kept it, which early in boot may not be mounted.
base::Status moveStagedWipe(const Session &session);
bool isStaged(const std::string &staged, const blockdev::Content &content);
void dropStagedWipe(const Session &session);
// One that was ordered under a former name of the volume with this UUID. It is dropped with a
// warning: should the name ever come back, the next attach would wipe a volume in use.
base::Status dropFormerWipe(const Session &session, const model::VolumeId &former,
                            const std::string &uuid);

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// The name that a volume had before its document was renamed. It comes from the record, which is on
// the disk, and whoever has the disk can write anything there.
//
// What could it be used for? The name is part of nodeID keys: a machine that tried the key of any
// name that a disk gives it would open one of its own volumes in the place of another. STATE's salt
// and pins would be read from a volume that users write to, or a volume that is not mounted any
// more would be mounted where others can look into it. So a former name is
// - a volume ID, and nothing else that somebody may have written there; never a path;
// - of a volume with a name that people give (u-, r-, s-), for one with such a name: what STATE and
//   Talos' other system volumes are called never changes;
// - declared by no document, valid or not, of this configuration: that volume has a place;
// - in a record that the volume key vouches for, once a key has opened the volume: until then it is
//   used to derive nodeID keys and for nothing else, and a machine that knows UUID and name knows
//   these anyway;
// - of a volume in use. One whose first format was not finished is not finished under another name:
//   that would make a file system on it.
// And the pins of both names must fit (see pin.h): where this machine knows another volume by
// either of them, the disk is foreign.
#pragma once

#include <optional>

#include "model/record.h"
#include "model/volume_id.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Empty when the record has the volume's own name, and when its name is none that may be used.
std::optional<model::VolumeId> formerName(const Session &session, const model::Record &record);

}  // namespace volumecrypt::volume

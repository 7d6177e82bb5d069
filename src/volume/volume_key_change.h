// SPDX-License-Identifier: Apache-2.0
// A new volume key: each key gets a second slot for it, the data is encrypted anew, and the slots
// take the places of the old ones.
//
// At any moment the header says what was begun, by a record that is valid under either key, and
// some slot opens the data by each declared key. While the header is in flight no token can be
// written; so all that is true at the end (the record with its checks, the numbers of the slots) is
// on the disk before the data is touched, and becomes so by one write of the header.
#pragma once

#include <vector>

#include "base/result.h"
#include "luks/reencryption.h"
#include "volume/carried_keys.h"
#include "volume/comparison.h"
#include "volume/key_ring.h"
#include "volume/session.h"
#include "volume/slot_session.h"

namespace volumecrypt::volume {

// Puts the header in flight: pin, record, new slots, record, and libcryptsetup's own beginning.
// `keys` are those of all slots. When it fails everything is as it was, or the next run sees to
// that (isBegun, withdrawKeyChange).
base::Status beginKeyChange(const Session &session, SlotSession &slots,
                            const std::vector<CarriedKey> &keys);

// Whether the data has been touched, or may have been: then there is only the way forward.
bool isBegun(const model::HeaderView &view, const model::Job &job);

// Undoes what an interrupted beginKeyChange left, as long as it has not begun. `volume` names the
// job in its record.
base::Status withdrawKeyChange(const Session &session, const OpenedVolume &volume);

// For who wants to use the volume, and not to wait for the end: recovers what was being written,
// and ends a change of which all data is written. Stopped: it is in flight, to be mapped by
// mapInFlight; else it is a volume like any other now.
base::Result<luks::ReencryptionEnd> settleKeyChange(const Session &session,
                                                    const OpenedVolume &volume, KeyRing &ring);
base::Status mapInFlight(const Session &session, const OpenedVolume &volume, KeyRing &ring,
                         const luks::ActivationOptions &options);

// From in flight to the end. Cancelled at a safe point: the same call goes on.
base::Status goOnWithKeyChange(const Session &session, const OpenedVolume &volume, KeyRing &ring);

}  // namespace volumecrypt::volume

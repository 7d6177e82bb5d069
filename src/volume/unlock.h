// SPDX-License-Identifier: Apache-2.0
// Finding a key that opens a volume.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_copy.h"
#include "volume/key_ring.h"
#include "volume/session.h"

namespace volumecrypt::volume {

struct Unlocked {
    base::SecretBuffer volumeKey;
    unsigned slot = 0;  // whose key opened it: a real proof
    // (declared key's slot, slot on disk) pairs whose key was found not to open the slot: the KDF
    // need not run again.
    std::set<std::pair<unsigned, unsigned>> rejected;
    std::optional<unsigned>
        declaredSlot;  // the declared key that opened it; empty when it was the given secret
    // That key is the one of the volume's former name, which is not proven by it: see openVolume.
    std::optional<model::VolumeId> formerName = {};
    std::string failures = {};  // why declared keys that were tried before did not open it
};

// The secret given by --secret-fd when there is one (KeyRejected when it opens no slot), else the
// declared keys: each in its own slot first, then in the slots of an unfinished change and the
// others, for keys that moved; nodeID keys of a former name of the volume in between. NoUsableKey
// lists what was tried.
base::Result<Unlocked> unlock(const Session &session, const luks::HeaderCopy &header,
                              KeyRing &ring);

}  // namespace volumecrypt::volume

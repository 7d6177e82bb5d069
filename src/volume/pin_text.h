// SPDX-License-Identifier: Apache-2.0
// The content of a pin: what a volume is known by, and what differs when it is another one.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/header_view.h"
#include "model/volume_id.h"

namespace volumecrypt::volume {

// `machine`: the record's mark, of a volume that is this machine's; empty otherwise. Versions that
// do not know the member pass over it.
std::string pinText(const model::VolumeId &id, const model::HeaderView &header,
                    const base::SecretBuffer &volumeKey, const std::string &machine);

// The same, of a volume whose key is being changed: either key is the volume's until the pin is
// written without the next one. Versions that do not know the member pass over it, and take the
// volume under its next key for another one.
std::string pinTextWithNext(const model::VolumeId &id, const model::HeaderView &header,
                            const base::SecretBuffer &volumeKey,
                            const base::SecretBuffer &nextVolumeKey, const std::string &machine);

// What a pin says to who has no volume key: nobody vouches for it. Both empty when it is no pin.
struct PinClaim {
    std::string uuid;
    std::string machine;  // in hexadecimal
    bool knowsSegment = false;
    bool hasNext = false;  // as in PinComparison
};
PinClaim claimOfPin(const std::string &text);

struct PinComparison {
    // "its UUID is …, another one is remembered"; empty when it is the volume.
    std::string difference;
    bool headerChanged = false;  // it is the volume, but its header places the data elsewhere
    bool outdated = false;       // an earlier version wrote it, and it says less than pinText does
    bool hasNext = false;        // it knows the volume by two keys
    std::string machine = {};    // as in PinClaim
};

// HeaderCorrupt when `text` is no pin or was changed by somebody without the volume key;
// Unsupported when a newer version wrote it. The messages begin with "the pin `path`".
base::Result<PinComparison> comparePin(const std::string &text, const std::string &path,
                                       const model::VolumeId &id, const model::HeaderView &header,
                                       const base::SecretBuffer &volumeKey);

}  // namespace volumecrypt::volume

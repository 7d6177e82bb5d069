// SPDX-License-Identifier: Apache-2.0
// What is on a device that a header backup is to be restored to: whether it may be written over,
// and what of it differs from the backup.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_copy.h"
#include "model/header_view.h"
#include "volume/session.h"

namespace volumecrypt::volume {

struct PresentHeader {
    std::optional<luks::HeaderCopy> whole;  // valid, and understood
    std::string condition;                  // else what is the matter: "has a damaged header"
    // As far as it can be read.
    std::optional<model::HeaderView> view;
};

// The header that is there, or what is left of one. NotBlank, NotLuks2 when something else is
// there (where nothing is, it may be a volume that lost its header); HeaderRefused when a
// reencryption is unfinished: an older header would lose the data.
base::Result<PresentHeader> presentHeader(const Session &session);

// Whether `backup` describes the volume whose header is there: ForeignVolume with another UUID,
// another layout, or data in another place (of which a pin knows better, where there is one).
base::Status expectSamePlace(const Session &session, const PresentHeader &present,
                             const model::HeaderView &backup);

// Whether the volume key in the backup is that of the header on the device: ForeignVolume when not.
// A damaged header cannot tell; a pin, of which the caller has seen that it fits, knows better.
base::Status expectSameKey(const Session &session, const PresentHeader &present,
                           const base::SecretBuffer &volumeKey);

struct SlotDifferences {
    std::vector<unsigned> revived;  // in the backup, and not or otherwise on the device
    std::vector<unsigned> lost;     // on the device alone
};
// Of a header that cannot be read nothing is known, and all slots of the backup count as revived.
base::Result<SlotDifferences> compareSlots(const Session &session, const PresentHeader &present,
                                           const luks::HeaderCopy &backup);

}  // namespace volumecrypt::volume

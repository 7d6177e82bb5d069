// SPDX-License-Identifier: Apache-2.0
// A volume opened and compared with its declaration: what plan shows and sync acts on.
#pragma once

#include <vector>

#include "base/result.h"
#include "luks/header_copy.h"
#include "model/sync_plan.h"
#include "volume/key_ring.h"
#include "volume/maker.h"
#include "volume/record_book.h"
#include "volume/session.h"
#include "volume/unlock.h"

namespace volumecrypt::volume {

// An opened volume: one key derivation.
struct OpenedVolume {
    luks::HeaderCopy header;
    Unlocked unlocked;
    base::SecretBuffer recordKey;
    FoundRecord found;
    Maker maker = Maker::Unknown;

    // The record's mark when it is that of this machine, for the pin; empty otherwise.
    [[nodiscard]] std::string ownMark() const;
};

base::Result<OpenedVolume> openVolume(const Session &session, KeyRing &ring);
// The same, of a header that was read just now.
base::Result<OpenedVolume> openVolume(const Session &session, KeyRing &ring,
                                      luks::HeaderCopy header);

// The steps that would make the slots equal to the declaration.
base::Result<std::vector<model::Step>> compare(const Session &session, const OpenedVolume &volume,
                                               KeyRing &ring);

// The steps for a device that will be formatted: every declared key is added.
std::vector<model::Step> stepsForBlank(const KeyRing &ring);

}  // namespace volumecrypt::volume

// SPDX-License-Identifier: Apache-2.0
// A volume opened and compared with its declaration: what plan shows and sync acts on.
#pragma once

#include <vector>

#include "base/result.h"
#include "blockdev/content.h"
#include "luks/header_copy.h"
#include "model/header_view.h"
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

// Warns of another cipher, key size or sector size, and of another file system while the volume is
// mapped: it is looked at through the mapping.
void warnOfDifferences(const Session &session, const model::HeaderView &header, bool mapped);
// Warns of a volume that nothing but the TPM opens: an update or another mainboard would lock it
// for good. A slot of the header that is not declared (a recovery key, say) is another way in.
void warnOfTpmAlone(const Session &session, const model::HeaderView &header);
// The same of the file system of a plain volume.
void warnOfOtherFilesystem(const Session &session, const blockdev::Content &content);

// A key derivation runs only where the record's check cannot answer: for slots that are not in the
// record, and for slots whose area is not the recorded one; with --verify for every slot.
base::Result<model::PlanInput> gatherEvidence(const Session &session,
                                              const luks::HeaderCopy &header, KeyRing &ring,
                                              const Unlocked &unlocked, const FoundRecord &found,
                                              const base::SecretBuffer &recordKey);

}  // namespace volumecrypt::volume

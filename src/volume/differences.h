// SPDX-License-Identifier: Apache-2.0
// Where a volume is not what its declaration says, and no sync can make it so: told, and left.
#pragma once

#include "blockdev/content.h"
#include "model/header_view.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Warns of another cipher, key size or sector size, and of another file system while the volume is
// mapped: it is looked at through the mapping.
void warnOfDifferences(const Session &session, const model::HeaderView &header, bool mapped);
// Warns of a volume that nothing but the TPM opens: an update or another mainboard would lock it
// for good. A slot of the header that is not declared (a recovery key, say) is another way in.
void warnOfTpmAlone(const Session &session, const model::HeaderView &header);
// The same of the file system of a plain volume.
void warnOfOtherFilesystem(const Session &session, const blockdev::Content &content);

}  // namespace volumecrypt::volume

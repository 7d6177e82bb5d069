// SPDX-License-Identifier: Apache-2.0
// Writing a header backup over the header of a device. A header is many blocks, and the power may
// go between any two: what was there and what is written are both kept elsewhere meanwhile, and by
// them an interrupted restore is known and finished.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_backup.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

// The first `size` bytes of a device in a memfd, whatever they are. Io.
base::Result<base::UniqueFd> rawCopy(int device, std::uint64_t size);

enum class RestoreState {
    Before,   // as it was
    Between,  // each block is of the one or of the other
    After,    // as it is to be
    Neither,  // somebody else has written there since
};
// Of a device on which `wanted` was to be written over `before`, a rawCopy of at least that size. A
// damaged copy of the metadata that libcryptsetup wrote anew meanwhile makes no difference. Io.
base::Result<RestoreState> restoreStateOf(int device, int before, const HeaderImage &wanted);

// Writes what differs. `present` is the header that was there before the restore began, null when
// it was damaged; it has the places of `wanted`. The areas that it does not use come first, then
// the one and the other copy of the metadata, then the areas that both use: at any moment one of
// the copies is whole, and slots that are the same in both open the volume. Each is flushed before
// the next. Begun over after a cut, it goes on. Io.
base::Status restoreHeader(int device, const HeaderImage &wanted, const model::HeaderView *present);

}  // namespace volumecrypt::luks

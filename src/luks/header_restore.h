// SPDX-License-Identifier: Apache-2.0
// Writing a header backup over the header of a device. A header is many blocks, and the power may
// go between any two: what was there and what is written are both kept elsewhere meanwhile, and by
// them an interrupted restore is known and finished.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_backup.h"

namespace volumecrypt::luks {

// The first `size` bytes of a device in a memfd, whatever they are. Io.
base::Result<base::UniqueFd> rawCopy(int device, std::uint64_t size);

// Whether the device holds exactly that. Io.
base::Result<bool> isThere(int device, const HeaderImage &wanted);

enum class RestoreState {
    Before,   // as it was
    Between,  // each sector is of the one or of the other
    After,    // as it is to be
    Neither,  // somebody else has written there since
};
// Of a device on which `wanted` was to be written over `before`, a rawCopy of at least that size. A
// damaged copy of the metadata that libcryptsetup wrote anew meanwhile makes no difference. Io.
base::Result<RestoreState> restoreStateOf(int device, int before, const HeaderImage &wanted);

// Writes what differs. The areas that the header in `before` does not use come first, then the one
// and the other copy of the metadata, then the areas that both headers use: at any moment one of
// the copies is whole, and slots that are the same in both open the volume. Each is flushed before
// the next. Begun over after a cut, with the same `before`, it goes on. Io.
base::Status restoreHeader(int device, int before, const HeaderImage &wanted);

}  // namespace volumecrypt::luks

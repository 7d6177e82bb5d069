// SPDX-License-Identifier: Apache-2.0
// A header as it is on the device at this moment, and private copies of it.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_copy.h"
#include "luks/metadata.h"
#include "model/header_view.h"

struct crypt_device;

namespace volumecrypt::luks {

// HeaderCorrupt when libcryptsetup reads the JSON in `metadata` otherwise than we do.
base::Status understoodAlike(crypt_device *library, const Metadata &metadata);

struct DeviceHeader {
    base::UniqueFd device;  // open for reading
    Metadata metadata;
    model::HeaderView view;
};

// Not validated. NotLuks2, HeaderCorrupt, Io, NotFound.
base::Result<DeviceHeader> readDeviceHeader(const std::string &path);

// The header and the areas of those of `slots` that are used, in a memfd; libcryptsetup has read it
// there and understands it as we do. `header` must be valid (validateHeader).
base::Result<HeaderCopy> makeCopy(const DeviceHeader &header, const std::set<unsigned> &slots);

// The slot, or NotFound.
base::Result<const model::SlotView *> findSlot(const model::HeaderView &view, unsigned slot);

// HeaderStore::slotDigest on an open device or memfd.
base::Result<std::string> slotDigestOf(int fd, const model::HeaderView &view, unsigned slot);

}  // namespace volumecrypt::luks

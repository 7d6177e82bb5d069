// SPDX-License-Identifier: Apache-2.0
// A header as it is on the device at this moment, read by us and by libcryptsetup.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_copy.h"
#include "luks/metadata.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

struct DeviceHeader {
    base::UniqueFd device;  // open for reading
    Metadata metadata;
    model::HeaderView view;
};

// Not validated. NotLuks2, HeaderCorrupt, Io, NotFound.
base::Result<DeviceHeader> readDeviceHeader(const std::string &path);

// HeaderCorrupt when libcryptsetup reads the JSON in `metadata` otherwise than we do.
base::Status understoodAlike(crypt_device *library, const Metadata &metadata);

// Whether libcryptsetup, given this header alone, understands it as we do: HeaderCorrupt when not.
// `header` must be valid (validateHeader); its image is used up.
base::Status checkUnderstood(const DeviceHeader &header);

// The copy of a header that is valid, and that libcryptsetup understands as we do. HeaderCorrupt.
base::Result<HeaderCopy> makeCopy(DeviceHeader header);

}  // namespace volumecrypt::luks

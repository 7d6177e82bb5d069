// SPDX-License-Identifier: Apache-2.0
// Exchanging the first segment of a plain device for the header of its encryption, so that every
// write of it can be the last one before a power cut.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "luks/encryption_marker.h"
#include "luks/header_build.h"
#include "model/volume_id.h"

namespace volumecrypt::luks {

// What stands in the way of everything else on a device.
struct FoundEncryptionMarker {
    std::optional<EncryptionMarker> marker;
    // One that this version does not understand, or whose copies are not within the device.
    bool isOther = false;
};
base::Result<FoundEncryptionMarker> findEncryptionMarker(int deviceFd);

// `header` as beginEncryption made it; the last kTailRoom of the device are free. In this order,
// each flushed before the next: the first segment to the end of the device, read back and compared;
// the header before it, read back; the marker; the header but for its first 4096 bytes; those.
// Until the marker is on the disk nothing has happened to the device that its file system could
// see. The caller holds the device exclusively. Io; Internal.
base::Status exchangeFirstSegment(int deviceFd, const model::VolumeId &id, const NewHeader &header);

// Goes on from a marker that was found. False when nothing but the marker had been written: the
// marker is taken away, since the file system may have been used meanwhile, and all begins anew.
// HeaderCorrupt when a copy is not whole any more, or when something else has been written to the
// first segment since: nothing is written then. The caller holds the device exclusively.
base::Result<bool> finishExchange(int deviceFd, const EncryptionMarker &marker);

// The plain device as it was. Errors as finishExchange.
base::Status undoExchange(int deviceFd, const EncryptionMarker &marker);

}  // namespace volumecrypt::luks

// SPDX-License-Identifier: Apache-2.0
// Writing a header that was made in memory so that every point can be started over, and the marker
// by which an unfinished one is known.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "luks/header_build.h"
#include "model/volume_id.h"

namespace volumecrypt::luks {

// Writes the first 16 MiB of `header` to `deviceFd`: the marker; key slot areas and secondary
// header; the JSON of the primary; its binary header over the marker. Each is flushed before the
// next.
base::Status writeHeader(int deviceFd, const model::VolumeId &id, const NewHeader &header);

// Writes the marker alone and flushes it: the device may be formatted anew, whatever else is on it.
base::Status writeFormattingMarker(int deviceFd, const model::VolumeId &id);

// The 4096-byte marker in sector 0 of an interrupted writeHeader: the ID it names. Empty when there
// is no valid marker. Its bytes; the rest is zero:
//     0  "VOLUMECRYPT-FORMATTING"
//    32  version: 1
//    64  ID of the volume, at most 255 bytes, closed by a zero
//   480  SHA-256 of the bytes 0 to 479
base::Result<std::optional<std::string>> readFormattingMarker(int deviceFd);
// Whether there is one of a greater version, which says that whatever else is there is unfinished.
base::Result<bool> hasNewerMarker(int deviceFd);
// The same, in the first 4096 bytes of a device.
std::optional<std::string> formattingMarkerIn(std::string_view block);

// The points at which writeHeader reaches the disk.
enum class WritePoint { Marker, SlotsAndSecondary, PrimaryJson, PrimaryBinary };

// Writes up to and including `last`; writeHeader is that with PrimaryBinary. Tests stop earlier.
base::Status writeHeaderUpTo(WritePoint last, int deviceFd, const model::VolumeId &id,
                             const NewHeader &header);

}  // namespace volumecrypt::luks

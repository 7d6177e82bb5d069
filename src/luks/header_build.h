// SPDX-License-Identifier: Apache-2.0
// Making a volume's first header: built whole in memory, proven, then written so that every point
// can be started over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "luks/header_store.h"
#include "model/volume_id.h"

namespace volumecrypt::luks {

struct FormatParameters {
    std::string cipher = "aes-xts-plain64";
    unsigned keyBits = 512;
    unsigned sectorSize =
        512;  // bytes, 512 or 4096; the caller has chosen one that the device and its size allow
    std::uint64_t deviceSize = 0;  // bytes
};

// A header in a memfd. Metadata areas of 128 KiB, data at 16 MiB.
struct NewHeader {
    base::UniqueFd memory;
    base::SecretBuffer volumeKey;
    std::unique_ptr<HeaderStore> store;  // works on `memory`; add slots and tokens through it
};

// Unsupported for a cipher or key size that this machine cannot do, NoSpace when the device is
// smaller than the header and one sector.
base::Result<NewHeader> buildHeader(const FormatParameters &parameters);

// Writes the first 16 MiB of `header` to `deviceFd` in the order of the design: marker, fsync; key
// slot areas and secondary header, fsync; primary JSON, fsync; primary binary header over the
// marker, fsync.
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
// readFormattingMarker, in the first 4096 bytes of a device.
std::optional<std::string> formattingMarkerIn(std::string_view block);

}  // namespace volumecrypt::luks

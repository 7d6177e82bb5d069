// SPDX-License-Identifier: Apache-2.0
// Decrypting a device where it is, by ourselves: without libcryptsetup and without its header in
// flight.
//
// The plain data is to begin where the header does, so each part moves down by the size of the
// header: what is written to [p, p + c) is what was read from [header + p, header + p + c). That
// overwrites nothing but what was moved before. A part that was interrupted is simply done again,
// as long as no more than one header's size was written behind the last record that is on the disk.
// Nothing else has to be kept for a crash. What libcryptsetup does instead (begins by overwriting
// the header with data, and takes the end for the beginning when it is killed there) can then not
// happen: there is one switch at the beginning and one at the end, each of a single sector.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/decryption_marker.h"
#include "luks/header_copy.h"
#include "luks/reencryption.h"

namespace volumecrypt::luks {

struct FoundDecryptionMarker {
    std::optional<DecryptionMarker> marker;
    // One that this version does not understand, or that points to beyond the device.
    bool isOther = false;
};
base::Result<FoundDecryptionMarker> findDecryptionMarker(int deviceFd);

// aes-xts-plain64 with the whole of the volume key.
struct DecryptionCipher {
    const base::SecretBuffer &volumeKey;
    unsigned sectorSize = 512;      // bytes
    std::uint64_t firstSector = 0;  // the number of the data's first sector, in 512 bytes
};

// For all of these the caller holds the device exclusively, open for reading and writing.

// Copies the header and the beginning of the encrypted data into the tail, reads them back, and
// writes the first records. `marker` has its places and gets its nonce and its digest. The tail
// must be free; nothing else is written, and the volume is what it was. Io; Internal.
base::Status prepareDecryption(int deviceFd, DecryptionMarker &marker);

// Puts the marker in place of the first sector: from here on it is no LUKS volume. Io.
base::Status beginDecryption(int deviceFd, const DecryptionMarker &marker);

// The newer record. HeaderCorrupt when there is none.
base::Result<DecryptionRecord> findDecryptionRecord(int deviceFd, const DecryptionMarker &marker);

// The header with its key slots, out of the tail: while the data is Moving. HeaderCorrupt when the
// tail is not as it was written; errors as copyHeader.
base::Result<HeaderCopy> headerOfDecryption(int deviceFd, const DecryptionMarker &marker);

// Moves and decrypts all that is left; what it says of libcryptsetup in `control` does not matter
// here. False: stopped at a safe point. True: the record is Ending. Io; HeaderCorrupt.
base::Result<bool> moveDecrypted(int deviceFd, const DecryptionMarker &marker,
                                 const DecryptionCipher &cipher,
                                 const ReencryptionControl &control);

// Overwrites what is left of header and key slots, calls `beforeLast`, and puts the first sector in
// place of the marker: then it is a plain device. Its errors, and those of `beforeLast`.
base::Status endDecryption(int deviceFd, const DecryptionMarker &marker,
                           const std::function<base::Status()> &beforeLast);

}  // namespace volumecrypt::luks

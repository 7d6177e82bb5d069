// SPDX-License-Identifier: Apache-2.0
// A LUKS2 header in flight: what the reencryption that is under way changes, and how far it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/segment_view.h"

namespace volumecrypt::model {

enum class ReencryptionMode { Encrypt, Decrypt, Reencrypt };

// Clean: libcryptsetup can go on. Crashed: it has to recover a part first. DataDone: the last of
// the data is written, and only the header still speaks of a reencryption. In DataDone
// libcryptsetup must not run: it takes the one live segment for "nothing done yet", begins at byte
// 0 again and destroys everything.
enum class ReencryptionPhase { Clean, Crashed, DataDone };

struct Reencryption {
    ReencryptionMode mode = ReencryptionMode::Reencrypt;
    ReencryptionPhase phase = ReencryptionPhase::Clean;
    bool backward = false;
    std::string resilience;       // checksum, journal, datashift, datashift-checksum, …
    std::uint64_t dataShift = 0;  // bytes
    unsigned slot = 0;            // the key slot of type "reencrypt", which holds no key
    unsigned slotDigest = 0;      // the number of its digest
    // Numbers of the digests of the keys that the data had and will have; an encryption has only
    // the new one, a decryption only the old one.
    std::optional<unsigned> oldDigest;
    std::optional<unsigned> newDigest;
    SegmentView previous;              // all of the data before, …
    SegmentView final;                 // … and after
    std::optional<SegmentView> moved;  // with a data shift: where the first segment waits
    std::vector<SegmentView> live;     // how the data is to be read now, by number
    // Bytes of the live segments that have their final form. What is "dynamic" does not count.
    std::uint64_t done = 0;
};

}  // namespace volumecrypt::model

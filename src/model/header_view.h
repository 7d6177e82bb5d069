// SPDX-License-Identifier: Apache-2.0
// What a LUKS2 header says, as plain values: no libcryptsetup type gets past src/luks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/reencryption.h"
#include "model/segment_view.h"

namespace volumecrypt::model {

struct KdfView {
    std::string type;              // argon2id, argon2i, pbkdf2
    std::uint64_t iterations = 0;  // passes for argon2
    std::uint64_t memoryKiB = 0;   // 0 for pbkdf2
    unsigned lanes = 0;
    std::string hash;  // pbkdf2 only
};

struct SlotView {
    unsigned number = 0;
    std::string type;  // "luks2"
    KdfView kdf;
    std::string areaCipher;        // aes-xts-plain64
    std::uint64_t areaOffset = 0;  // bytes from the start of the device
    std::uint64_t areaSize = 0;
    unsigned areaKeyBits = 0;  // of the key that encrypts the area
    unsigned keyBits = 0;      // of the key in the slot
    bool unbound = false;      // holds a key that belongs to no segment
    std::string json;          // canonical (sorted keys, no spaces); what the record's check covers
};

struct TokenView {
    unsigned id = 0;
    std::string type;
    std::vector<unsigned> keyslots;
    std::string json;
};

// What a volume key is recognised by.
struct DigestView {
    unsigned number = 0;
    std::string type;  // pbkdf2
    std::uint64_t iterations = 0;
    std::vector<unsigned> slots;
    std::vector<unsigned> segments;
    bool coversData = false;  // belongs to a segment
};

struct HeaderView {
    unsigned version = 0;
    std::string uuid;
    std::string label;
    std::uint64_t metadataSize = 0;  // bytes of one copy
    std::uint64_t keyslotsSize = 0;  // bytes of the key slot areas
    std::uint64_t jsonFree = 0;      // bytes of one copy that its JSON may still grow by
    unsigned volumeKeyBits = 0;
    std::map<unsigned, SlotView> slots;
    std::map<unsigned, TokenView> tokens;
    std::vector<SegmentView> segments;
    std::vector<DigestView> digests;
    std::vector<std::string> requirements;
    std::vector<std::string> flags;  // persistent activation flags

    // Set for a header in flight whose parts fit together in a way that we know.
    std::optional<Reencryption> reencryption;

    // Somebody began a reencryption that is not finished.
    [[nodiscard]] bool isReencrypting() const;
    // Where the volume's data is, or in flight will be once the job is done (a decryption: was).
    [[nodiscard]] const SegmentView &dataSegment() const;
    // The highest slot that is neither in use nor in `avoid`.
    [[nodiscard]] std::optional<unsigned> highestFreeSlot(const std::vector<unsigned> &avoid) const;
    // Whether there is room for the area of one more slot with a key of so many bytes.
    [[nodiscard]] bool hasRoomForSlot(std::size_t keyBytes) const;
};

}  // namespace volumecrypt::model

// SPDX-License-Identifier: Apache-2.0
// Our record in a volume's header: the LUKS2 token of type `volumecrypt`, which says which key
// slots are ours.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/key_spec.h"
#include "model/volume_id.h"

namespace volumecrypt::model {

inline constexpr const char *kRecordTokenType = "volumecrypt";
inline constexpr unsigned kRecordVersion = 1;
// What is on the device is being encrypted where it is.
inline constexpr const char *kEncryptJob = "encrypt";

// Filling: the file system is being made. Until Ready nothing can have been stored.
enum class Phase { Formatting, Filling, Ready };
enum class Origin { Declared, Added };
enum class PendingOperation { Add, Replace, Remove };

// All digests are binary (32 bytes) here, hex in JSON; an empty string stands for "none".
struct RecordSlot {
    KeyKind kind = KeyKind::Unknown;
    Origin origin = Origin::Declared;
    bool lockedToState = false;
    std::string saltDigest;    // SHA-256 of the salt, for slots locked to STATE
    std::string paramsDigest;  // SHA-256 of KeySpec::parameterText
    std::string areaDigest;    // luks::HeaderStore::slotDigest at the time of enrolment
    std::string check;         // HMAC-SHA-256(K, slot || passphrase || areaDigest)

    friend bool operator==(const RecordSlot &, const RecordSlot &) = default;
};

// Written before a slot is touched: a slot named here is ours.
struct Pending {
    PendingOperation operation = PendingOperation::Add;
    unsigned slot = 0;
    std::optional<unsigned> spare;  // Replace with a free slot
    std::string token;  // the complete new sealed token (JSON text); empty for keys without one
    RecordSlot entry;   // what `slot` is to become (Add, Replace); digests of the area and check
                        // still empty

    friend bool operator==(const Pending &, const Pending &) = default;
};

struct Record {
    unsigned version = kRecordVersion;
    std::string volume;  // ID
    Phase phase = Phase::Formatting;
    std::optional<Pending> pending;
    std::map<unsigned, RecordSlot> slots;
    // The unfinished job on the data of the volume: kEncryptJob, or empty. Covered by the MAC:
    // versions that do not know this member take the record for somebody else's meanwhile.
    std::string job = {};
    std::string mac;  // HMAC-SHA-256(K, authenticatedText())
    // Of the machine that the volume's keys are for: keys::machineMark; empty: not known. Versions
    // that do not know this member read the record without it and leave it out when they write it;
    // then the volume is taken as it was before there were marks, until it is marked anew.
    std::string machine;

    // The token's JSON, mac included.
    [[nodiscard]] std::string toJson() const;
    // What the MAC covers: toJson() without `mac`, and without `machine`, which is an HMAC itself:
    // the MAC is one that earlier versions compute as well.
    [[nodiscard]] std::string authenticatedText() const;
    // What is recorded of a slot; nullptr when nothing is.
    [[nodiscard]] const RecordSlot *entry(unsigned slot) const;

    // HeaderCorrupt when it is no record; Unsupported when a newer version wrote it.
    static base::Result<Record> fromJson(const std::string &json);
};

}  // namespace volumecrypt::model

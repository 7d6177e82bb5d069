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
// What is written, and what is written while the record names a job: earlier versions, which do not
// know how to go on with it, leave the header alone.
inline constexpr unsigned kRecordVersion = 1;
inline constexpr unsigned kRecordVersionWithJob = 2;

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

enum class JobOperation { Encrypt, Decrypt, Reencrypt };

// A change of the whole volume that is under way, from before its first write to after its last.
// While the header is in flight no token can be written: what is to be known at the end is written
// at the beginning.
struct Job {
    JobOperation operation = JobOperation::Reencrypt;
    // Reencrypt: for each key that is carried over its slot, and the temporary one of the key to
    // come. These are ours from now on.
    std::map<unsigned, unsigned> slots;
    // The record as it is to be when the job is done, as JSON, with its MAC under the volume key of
    // then; empty until that can be made.
    std::string final;
    // The MAC of this record under the volume key to come, as `mac` is under the present one. Empty
    // for a job that keeps the volume key.
    std::string mac;

    friend bool operator==(const Job &, const Job &) = default;
};

struct Record {
    unsigned version = kRecordVersion;
    std::string volume;  // ID
    Phase phase = Phase::Formatting;
    std::optional<Pending> pending;
    std::optional<Job> job;
    std::map<unsigned, RecordSlot> slots;
    std::string mac;  // HMAC-SHA-256(K, authenticatedText())
    // Of the machine that the volume's keys are for: keys::machineMark; empty: not known. Versions
    // that do not know this member read the record without it and leave it out when they write it;
    // then the volume is taken as it was before there were marks, until it is marked anew.
    std::string machine;

    // The token's JSON, mac included.
    [[nodiscard]] std::string toJson() const;
    // What the MAC covers: toJson() without `mac`, and without `machine`, which is an HMAC itself:
    // the MAC is one that earlier versions compute as well. And without the job's MAC.
    [[nodiscard]] std::string authenticatedText() const;
    // What is recorded of a slot; nullptr when nothing is.
    [[nodiscard]] const RecordSlot *entry(unsigned slot) const;

    // HeaderCorrupt when it is no record; Unsupported when a newer version wrote it.
    static base::Result<Record> fromJson(const std::string &json);
};

}  // namespace volumecrypt::model

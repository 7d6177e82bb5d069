// SPDX-License-Identifier: Apache-2.0
// The planner: from declared keys, header, record and evidence to the steps that make the slots
// equal to the declaration. A pure function.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/header_view.h"
#include "model/record.h"
#include "model/volume_spec.h"
#include "model/volume_state.h"

namespace volumecrypt::model {

// What is known, in this run, of a declared key and the slot that it is declared for.
enum class SlotEvidence {
    NotTested,    // the slot is empty, or nothing is known
    Verified,     // the record's check matches: this passphrase, this area
    Opens,        // the KDF was run: the declared key opens the slot
    Rejected,     // the KDF was run, or the check failed on an unchanged area: it does not
    AreaSame,     // the key cannot be had; slot area and parameters are those of the record
    AreaDiffers,  // the key cannot be had; the area is not the one of the record
};

struct DeclaredKey {
    unsigned slot = 0;
    KeyKind kind = KeyKind::Unknown;
    bool lockedToState = false;
    std::string paramsDigest;
    std::string saltDigest;  // of the present salt; empty when not locked
    bool available = true;   // the passphrase can be had, or made anew, now
    std::string unavailableReason;
    // Sealed keys that cannot be had: why they are lost for good, so that a new one must be made
    // ("re-seal: PCR 7 changed"); empty otherwise.
    std::string renewalReason;
    std::string renewalRefusal;  // why that must not be done in this run; empty: it may
    SlotEvidence evidence = SlotEvidence::NotTested;
};

enum class RecordTrust { Absent, Valid, MacWrong, Newer };

struct PlanInput {
    // For commands in reasons.
    std::string volume;
    std::string device;
    std::vector<DeclaredKey> declared;       // without `unmanaged: {}` entries
    std::set<unsigned> documentedUnmanaged;  // slots with `unmanaged: {}`
    UnmanagedSlots policy = UnmanagedSlots::Keep;
    // The declaration is META's, which whoever holds the disk can write: it opens the volume, and
    // lets sealed keys be renewed as the record knows them, but brings and takes no key.
    bool declaredByMeta = false;
    // The record says that another machine made the keys: none of them is taken.
    bool madeElsewhere = false;
    // The volume's name when its record was written, where that is another one.
    std::string formerName;
    HeaderView header;
    // Slots on record that no declared key is for, and that are not as we left them.
    std::set<unsigned> changedByOthers;
    RecordTrust trust = RecordTrust::Absent;
    std::optional<Record> record;  // set when trust is Valid
};

struct Step {
    StepAction action = StepAction::Keep;
    unsigned slot = 0;
    KeyKind kind = KeyKind::Unknown;
    std::string reason;
    std::optional<base::ErrorCode> error;  // of a Refuse step

    [[nodiscard]] bool changes() const;  // anything but Keep
    friend bool operator==(const Step &, const Step &) = default;
};

// In the order of execution: keep, adopt, add, replace, remove, then defer and refuse; within an
// action by slot.
std::vector<Step> planSync(const PlanInput &input);

}  // namespace volumecrypt::model

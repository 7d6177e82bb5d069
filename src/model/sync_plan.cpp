// SPDX-License-Identifier: Apache-2.0
// The planner's rules, one function per situation of a slot.
#include "model/sync_plan.h"

#include <algorithm>

#include "model/slot_token.h"

namespace volumecrypt::model {
namespace {

Step step(StepAction action, const DeclaredKey &key, std::string reason) {
    return {.action = action,
            .slot = key.slot,
            .kind = key.kind,
            .reason = std::move(reason),
            .error = {}};
}

Step refuse(const DeclaredKey &key, base::ErrorCode code, std::string reason) {
    Step result = step(StepAction::Refuse, key, std::move(reason));
    result.error = code;
    return result;
}

Step orDefer(StepAction action, const DeclaredKey &key, const std::string &reason) {
    if (key.available) return step(action, key, reason);
    return step(StepAction::Defer, key, reason + "; " + key.unavailableReason);
}

// Why a slot of ours is not what is declared; empty when nothing that the record knows differs.
std::string differenceFromRecord(const DeclaredKey &key, const RecordSlot &entry) {
    if (entry.kind != key.kind)
        return "kind changed from " + std::string(keyKindName(entry.kind)) + " to " +
               std::string(keyKindName(key.kind));
    if (entry.lockedToState != key.lockedToState)
        return key.lockedToState ? "lockToState was turned on" : "lockToState was turned off";
    if (key.lockedToState && !key.saltDigest.empty() && entry.saltDigest != key.saltDigest)
        return "STATE was replaced: the salt differs";
    if (entry.paramsDigest != key.paramsDigest) return "parameters changed";
    return {};
}

// Somebody else, such as Talos, has changed the slot as the declaration says. What a sealed key of
// the same kind is bound to is not seen in that it opens the slot: its parameters must be the same.
bool isAlreadyAsDeclared(const DeclaredKey &key, const RecordSlot &entry) {
    if (key.evidence != SlotEvidence::Opens) return false;
    if (entry.kind != key.kind) return true;
    return entry.lockedToState != key.lockedToState && entry.paramsDigest == key.paramsDigest;
}

// A sealed key that its token does not give any more.
Step renew(const DeclaredKey &key) {
    if (key.renewalRefusal.empty()) return orDefer(StepAction::Replace, key, key.renewalReason);
    return step(StepAction::Defer, key, key.renewalReason + "; " + key.renewalRefusal);
}

std::string whyRejected(const PlanInput &input, const DeclaredKey &key) {
    if (rowOf(key.kind).ofVolumeName && !input.formerName.empty())
        return "the volume was renamed: its key is made of the name " + input.formerName +
               " as yet";
    return "the declared key does not open the slot";
}

Step planManaged(const PlanInput &input, const DeclaredKey &key, const RecordSlot &entry) {
    const std::string difference = differenceFromRecord(key, entry);
    if (!difference.empty() && isAlreadyAsDeclared(key, entry))
        return step(StepAction::Adopt, key, difference + "; the declared key opens it already");
    if (!difference.empty()) return orDefer(StepAction::Replace, key, difference);
    switch (key.evidence) {
        case SlotEvidence::Verified:
            return step(StepAction::Keep, key, "unchanged");
        case SlotEvidence::Opens:
            return step(StepAction::Adopt, key,
                        "the declared key opens the slot; the record did not say so");
        case SlotEvidence::Rejected:
            return orDefer(StepAction::Replace, key, whyRejected(input, key));
        case SlotEvidence::AreaSame:
            if (!key.renewalReason.empty()) return renew(key);
            return step(StepAction::Keep, key, "unverified: " + key.unavailableReason);
        case SlotEvidence::AreaDiffers:
            return orDefer(StepAction::Replace, key, "the slot was changed by somebody else");
        case SlotEvidence::NotTested:
            break;
    }
    return step(StepAction::Defer, key, "the slot could not be compared");
}

// `whose`: "not in the record", …
Step planTaken(const DeclaredKey &key, const std::string &whose) {
    switch (key.evidence) {
        case SlotEvidence::Verified:
        case SlotEvidence::Opens:
            return step(StepAction::Adopt, key, whose + "; the declared key opens it");
        case SlotEvidence::Rejected:
            return refuse(key, base::ErrorCode::SlotInUse,
                          whose + ", and the declared key does not open it");
        case SlotEvidence::AreaSame:
        case SlotEvidence::AreaDiffers:
        case SlotEvidence::NotTested:
            break;
    }
    return step(
        StepAction::Defer, key,
        whose + "; " +
            (key.unavailableReason.empty() ? "it could not be compared" : key.unavailableReason));
}

// Talos seals under a policy of its own, which nobody else can satisfy.
bool isTalosTpm(const HeaderView &header, unsigned slot) {
    const auto token = header.tokens.find(slot);
    return token != header.tokens.end() && token->second.type == kTalosTpmTokenType;
}

Step refuseTalosTpm(const PlanInput &input, const DeclaredKey &key) {
    const std::string number = std::to_string(key.slot);
    return refuse(
        key, base::ErrorCode::SlotInUse,
        "the slot holds a key that Talos sealed to the TPM and only Talos can unseal: `cryptsetup "
        "luksKillSlot " +
            input.device + " " + number + "`, `cryptsetup token remove --token-id " + number + " " +
            input.device + "` and `volumecryptctl sync " + input.volume +
            "` turn it into the declared one; Talos itself cannot open the volume by it then");
}

Step planDeclared(const PlanInput &input, const DeclaredKey &key) {
    const Record *record = input.record ? &*input.record : nullptr;
    const bool present = input.header.slots.contains(key.slot);
    const bool recorded = record != nullptr && record->slots.contains(key.slot);
    if (!present)
        return orDefer(StepAction::Add, key,
                       recorded ? "the slot is missing" : "the slot is empty");
    if (!recorded && isTalosTpm(input.header, key.slot)) return refuseTalosTpm(input, key);
    if (!recorded) return planTaken(key, "the slot holds a key that is not ours");
    const RecordSlot &entry = record->slots.at(key.slot);
    // Somebody asked for that key, and may have no other.
    if (entry.origin == Origin::Added) return planTaken(key, "the slot holds an added key");
    return planManaged(input, key, entry);
}

bool isDeclared(const PlanInput &input, unsigned slot) {
    return std::any_of(input.declared.begin(), input.declared.end(),
                       [slot](const DeclaredKey &key) { return key.slot == slot; });
}

Step removal(unsigned slot, KeyKind kind, std::string reason) {
    return {.action = StepAction::Remove,
            .slot = slot,
            .kind = kind,
            .reason = std::move(reason),
            .error = {}};
}

Step leave(unsigned slot, std::string reason) {
    return {.action = StepAction::Adopt,
            .slot = slot,
            .kind = KeyKind::Unmanaged,
            .reason = std::move(reason),
            .error = {}};
}

// Slots on disk or in the record that no declared key is for.
void planUndeclared(const PlanInput &input, std::vector<Step> &steps) {
    // With a record that cannot be trusted nobody knows which slots were added by AddKey: those are
    // spared.
    const bool mayRemoveUnmanaged =
        input.policy == UnmanagedSlots::Remove && input.trust != RecordTrust::MacWrong;
    for (unsigned slot = 0; slot < kSlotCount; ++slot) {
        if (isDeclared(input, slot) || input.documentedUnmanaged.contains(slot)) continue;
        const bool present = input.header.slots.contains(slot);
        const bool recorded = input.record && input.record->slots.contains(slot);
        if (recorded) {
            const RecordSlot &entry = input.record->slots.at(slot);
            // An added slot that somebody destroyed leaves the record as well.
            if (entry.origin == Origin::Added && present) continue;
            if (present && input.changedByOthers.contains(slot) && !mayRemoveUnmanaged)
                steps.push_back(
                    leave(slot,
                          "no longer declared, but somebody else has put another key into it: it "
                          "leaves the record, the key stays"));
            else
                steps.push_back(
                    removal(slot, entry.kind, present ? "no longer declared" : "the slot is gone"));
        } else if (present && mayRemoveUnmanaged) {
            steps.push_back(
                removal(slot, KeyKind::Unknown, "not declared, and unmanagedSlots is remove"));
        }
    }
}

// A slot that is both on record and documented as somebody else's is left alone from now on.
void forgetDocumented(const PlanInput &input, std::vector<Step> &steps) {
    if (!input.record) return;
    for (const unsigned slot : input.documentedUnmanaged)
        if (input.record->slots.contains(slot))
            steps.push_back(
                leave(slot, "declared as unmanaged: it leaves the record, the key stays"));
}

// A sealed key that is, or was, in the slot, bound to the same things.
bool isOnRecord(const PlanInput &input, const Step &step) {
    if (step.action == StepAction::Remove || !input.record) return false;
    const auto key = std::ranges::find(input.declared, step.slot, &DeclaredKey::slot);
    const RecordSlot *entry = input.record->entry(step.slot);
    return rowOf(step.kind).sealed && key != input.declared.end() && entry != nullptr &&
           differenceFromRecord(*key, *entry).empty();
}

void holdBack(const PlanInput &input, std::vector<Step> &steps) {
    for (Step &step : steps) {
        const bool changesKeys = step.action == StepAction::Add ||
                                 step.action == StepAction::Replace ||
                                 step.action == StepAction::Remove;
        if (!changesKeys || isOnRecord(input, step)) continue;
        step.action = StepAction::Defer;
        step.reason += "; META alone says so, which is not enough: declare the encryption of STATE";
    }
}

// Its keys may be all that opens it where it came from.
void spareOtherMachines(const PlanInput &input, std::vector<Step> &steps) {
    for (Step &step : steps) {
        const bool takes = step.action == StepAction::Replace || step.action == StepAction::Remove;
        if (!takes || !input.header.slots.contains(step.slot)) continue;
        step.action = StepAction::Defer;
        step.reason +=
            "; another machine made the volume, and that key may be its own: "
            "`volumecryptctl sync --adopt " +
            input.volume + "` makes the volume this machine's";
    }
}

int executionOrder(StepAction action) {
    switch (action) {
        case StepAction::Keep:
            return 0;
        case StepAction::Adopt:
            return 1;
        case StepAction::Add:
            return 2;
        case StepAction::Replace:
            return 3;
        case StepAction::Remove:
            return 4;
        case StepAction::Defer:
            return 5;
        case StepAction::Refuse:
            return 6;
    }
    return 6;
}

// A record of a newer version may mean something that we do not know: change nothing.
std::vector<Step> refuseAll(const PlanInput &input) {
    std::vector<Step> steps;
    for (const DeclaredKey &key : input.declared)
        steps.push_back(
            refuse(key, base::ErrorCode::Unsupported, "the record was written by a newer version"));
    return steps;
}

}  // namespace

bool Step::changes() const {
    return action != StepAction::Keep;
}

std::vector<Step> planSync(const PlanInput &input) {
    if (input.trust == RecordTrust::Newer) return refuseAll(input);
    std::vector<Step> steps;
    for (const DeclaredKey &key : input.declared) steps.push_back(planDeclared(input, key));
    forgetDocumented(input, steps);
    planUndeclared(input, steps);
    if (input.declaredByMeta) holdBack(input, steps);
    if (input.madeElsewhere) spareOtherMachines(input, steps);
    std::stable_sort(steps.begin(), steps.end(), [](const Step &a, const Step &b) {
        return std::pair(executionOrder(a.action), a.slot) <
               std::pair(executionOrder(b.action), b.slot);
    });
    return steps;
}

}  // namespace volumecrypt::model

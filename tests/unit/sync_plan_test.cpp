// SPDX-License-Identifier: Apache-2.0
// The planner as a table: what is declared, what is there, what is known, and the steps that
// follow.
#include "model/sync_plan.h"

#include <functional>
#include <ostream>

#include <gtest/gtest.h>

namespace volumecrypt::model {
namespace {

std::string digest(char c) {
    return std::string(32, c);
}

// A volume with a nodeID key in slot 0 and a static key in slot 1, both on record and unchanged;
// opened by slot 0.
PlanInput unchanged() {
    PlanInput input;
    input.trust = RecordTrust::Valid;
    input.record = Record{};
    for (const unsigned slot : {0U, 1U}) {
        input.header.slots[slot] = SlotView{.number = slot};
        RecordSlot entry;
        entry.kind = slot == 0 ? KeyKind::NodeId : KeyKind::Static;
        entry.paramsDigest = digest('p');
        input.record->slots[slot] = entry;
        DeclaredKey key;
        key.slot = slot;
        key.kind = entry.kind;
        key.paramsDigest = digest('p');
        key.evidence = SlotEvidence::Verified;
        input.declared.push_back(key);
    }
    return input;
}

struct Case {
    const char *name;
    std::function<void(PlanInput &)> change;
    std::vector<std::string> steps;  // "action slot", without keep
};

std::ostream &operator<<(std::ostream &out, const Case &c) {
    return out << c.name;
}

std::vector<std::string> stepsOf(const PlanInput &input) {
    std::vector<std::string> list;
    for (const Step &step : planSync(input))
        if (step.changes())
            list.push_back(std::string(actionName(step.action)) + " " + std::to_string(step.slot));
    return list;
}

class PlanTest : public testing::TestWithParam<Case> {};

TEST_P(PlanTest, Steps) {
    PlanInput input = unchanged();
    GetParam().change(input);
    EXPECT_EQ(stepsOf(input), GetParam().steps);
}

const std::vector<Case> kCases{
    {"nothing changed", [](PlanInput &) {}, {}},
    {"passphrase changed",
     [](PlanInput &in) { in.declared[1].evidence = SlotEvidence::Rejected; },
     {"replace 1"}},
    {"kind changed", [](PlanInput &in) { in.declared[1].kind = KeyKind::Kms; }, {"replace 1"}},
    {"kind changed, and the declared key opens the slot already",
     [](PlanInput &in) {
         in.declared[1].kind = KeyKind::NodeId;
         in.declared[1].paramsDigest = digest('q');
         in.declared[1].evidence = SlotEvidence::Opens;
     },
     {"adopt 1"}},
    {"lockToState turned on, and the declared key opens the slot already",
     [](PlanInput &in) {
         in.declared[1].lockedToState = true;
         in.declared[1].evidence = SlotEvidence::Opens;
     },
     {"adopt 1"}},
    {"lockToState and parameters changed: what a sealed key is bound to does not show",
     [](PlanInput &in) {
         in.declared[1].lockedToState = true;
         in.declared[1].paramsDigest = digest('q');
         in.declared[1].evidence = SlotEvidence::Opens;
     },
     {"replace 1"}},
    {"parameters changed",
     [](PlanInput &in) { in.declared[1].paramsDigest = digest('q'); },
     {"replace 1"}},
    {"lockToState turned on",
     [](PlanInput &in) {
         in.declared[1].lockedToState = true;
         in.declared[1].saltDigest = digest('s');
     },
     {"replace 1"}},
    {"lockToState turned off",
     [](PlanInput &in) { in.record->slots[1].lockedToState = true; },
     {"replace 1"}},
    {"STATE was replaced",
     [](PlanInput &in) {
         in.declared[1].lockedToState = in.record->slots[1].lockedToState = true;
         in.declared[1].saltDigest = digest('s');
         in.record->slots[1].saltDigest = digest('t');
     },
     {"replace 1"}},
    {"key added",
     [](PlanInput &in) {
         DeclaredKey key = in.declared[1];
         key.slot = 5;
         key.evidence = SlotEvidence::NotTested;
         in.declared.push_back(key);
     },
     {"add 5"}},
    {"key removed", [](PlanInput &in) { in.declared.pop_back(); }, {"remove 1"}},
    {"made by another machine: what differs waits, what is missing is added",
     [](PlanInput &in) {
         in.madeElsewhere = true;
         in.declared[0].evidence = SlotEvidence::Rejected;
         in.declared[1].slot = 5;
         in.declared[1].evidence = SlotEvidence::NotTested;
     },
     {"add 5", "defer 0", "defer 1"}},
    {"made by another machine, and unmanaged slots to be removed",
     [](PlanInput &in) {
         in.madeElsewhere = true;
         in.policy = UnmanagedSlots::Remove;
         in.header.slots[9] = SlotView{.number = 9};
     },
     {"defer 9"}},
    {"made by another machine, and the same", [](PlanInput &in) { in.madeElsewhere = true; }, {}},
    {"key moved to another slot",
     [](PlanInput &in) {
         in.declared[1].slot = 7;
         in.declared[1].evidence = SlotEvidence::NotTested;
     },
     {"add 7", "remove 1"}},
    {"two keys swapped",
     [](PlanInput &in) {
         std::swap(in.declared[0].kind, in.declared[1].kind);
         in.declared[0].evidence = in.declared[1].evidence = SlotEvidence::Rejected;
     },
     {"replace 0", "replace 1"}},
    {"slot killed behind our back",
     [](PlanInput &in) {
         in.header.slots.erase(1);
         in.declared[1].evidence = SlotEvidence::NotTested;
     },
     {"add 1"}},
    {"slot changed behind our back, the declared key opens it",
     [](PlanInput &in) { in.declared[1].evidence = SlotEvidence::Opens; },
     {"adopt 1"}},
    {"slot taken by an unmanaged key that the declared one opens",
     [](PlanInput &in) {
         in.record->slots.erase(1);
         in.declared[1].evidence = SlotEvidence::Opens;
     },
     {"adopt 1"}},
    {"slot taken by somebody else's key",
     [](PlanInput &in) {
         in.record->slots.erase(1);
         in.declared[1].evidence = SlotEvidence::Rejected;
     },
     {"refuse 1"}},
    {"unmanaged slot that cannot be compared",
     [](PlanInput &in) {
         in.record->slots.erase(1);
         in.declared[1].evidence = SlotEvidence::NotTested;
         in.declared[1].available = false;
     },
     {"defer 1"}},
    {"key not to be had, slot as we left it",
     [](PlanInput &in) {
         in.declared[1].available = false;
         in.declared[1].evidence = SlotEvidence::AreaSame;
     },
     {}},
    {"key not to be had, slot changed",
     [](PlanInput &in) {
         in.declared[1].available = false;
         in.declared[1].evidence = SlotEvidence::AreaDiffers;
     },
     {"defer 1"}},
    {"new key not to be had",
     [](PlanInput &in) {
         in.declared[1].available = false;
         in.header.slots.erase(1);
         in.record->slots.erase(1);
         in.declared[1].evidence = SlotEvidence::NotTested;
     },
     {"defer 1"}},
    {"unmanaged slots are kept",
     [](PlanInput &in) { in.header.slots[9] = SlotView{.number = 9}; },
     {}},
    {"unmanagedSlots: remove",
     [](PlanInput &in) {
         in.header.slots[9] = SlotView{.number = 9};
         in.policy = UnmanagedSlots::Remove;
     },
     {"remove 9"}},
    {"unmanagedSlots: remove spares added slots",
     [](PlanInput &in) {
         in.header.slots[9] = SlotView{.number = 9};
         in.record->slots[9].origin = Origin::Added;
         in.policy = UnmanagedSlots::Remove;
     },
     {}},
    {"unmanagedSlots: remove spares documented slots",
     [](PlanInput &in) {
         in.header.slots[9] = SlotView{.number = 9};
         in.documentedUnmanaged.insert(9);
         in.policy = UnmanagedSlots::Remove;
     },
     {}},
    {"unmanagedSlots: remove with a record that cannot be trusted removes nothing",
     [](PlanInput &in) {
         in.header.slots[9] = SlotView{.number = 9};
         in.policy = UnmanagedSlots::Remove;
         in.trust = RecordTrust::MacWrong;
         in.record.reset();
         in.declared[0].evidence = in.declared[1].evidence = SlotEvidence::Opens;
     },
     {"adopt 0", "adopt 1"}},
    {"added slot stays",
     [](PlanInput &in) {
         in.header.slots[9] = SlotView{.number = 9};
         in.record->slots[9].origin = Origin::Added;
     },
     {}},
    {"added slot destroyed by somebody leaves the record",
     [](PlanInput &in) { in.record->slots[9].origin = Origin::Added; },
     {"remove 9"}},
    {"added slot becomes declared",
     [](PlanInput &in) { in.record->slots[1].origin = Origin::Added; },
     {"adopt 1"}},
    {"added slot becomes declared, and the declared key does not open it",
     [](PlanInput &in) {
         in.record->slots[1].origin = Origin::Added;
         in.record->slots[1].kind = KeyKind::Passphrase;
         in.declared[1].evidence = SlotEvidence::Rejected;
     },
     {"refuse 1"}},
    {"added slot becomes declared, and the declared key cannot be had",
     [](PlanInput &in) {
         in.record->slots[1].origin = Origin::Added;
         in.declared[1].available = false;
         in.declared[1].evidence = SlotEvidence::NotTested;
     },
     {"defer 1"}},
    {"key removed, and somebody else has put another one into its slot",
     [](PlanInput &in) {
         in.declared.pop_back();
         in.changedByOthers.insert(1);
     },
     {"adopt 1"}},
    {"the same with unmanagedSlots: remove",
     [](PlanInput &in) {
         in.declared.pop_back();
         in.changedByOthers.insert(1);
         in.policy = UnmanagedSlots::Remove;
     },
     {"remove 1"}},
    {"declared slot becomes documented as unmanaged",
     [](PlanInput &in) {
         in.declared.pop_back();
         in.documentedUnmanaged.insert(1);
     },
     {"adopt 1"}},
    {"no record: the volume of somebody else is adopted",
     [](PlanInput &in) {
         in.trust = RecordTrust::Absent;
         in.record.reset();
         in.declared[0].evidence = SlotEvidence::Opens;
         in.declared[1].evidence = SlotEvidence::Opens;
     },
     {"adopt 0", "adopt 1"}},
    {"sealed key cannot be had just now",
     [](PlanInput &in) {
         in.declared[1].available = false;
         in.declared[1].evidence = SlotEvidence::AreaSame;
     },
     {}},
    {"sealed key is lost for good",
     [](PlanInput &in) {
         in.declared[1].evidence = SlotEvidence::AreaSame;
         in.declared[1].renewalReason = "re-seal: PCR 7 changed";
     },
     {"replace 1"}},
    {"sealed key is lost for good, and a new one cannot be made",
     [](PlanInput &in) {
         in.declared[1].available = false;
         in.declared[1].evidence = SlotEvidence::AreaSame;
         in.declared[1].renewalReason = "re-seal: PCR 7 changed";
     },
     {"defer 1"}},
    {"sealed key is lost for good, and a new one must not be made",
     [](PlanInput &in) {
         in.declared[1].evidence = SlotEvidence::AreaSame;
         in.declared[1].renewalReason = "re-seal: PCR 7 changed";
         in.declared[1].renewalRefusal = "by hand only";
     },
     {"defer 1"}},
    {"record of a newer version: nothing is changed",
     [](PlanInput &in) {
         in.trust = RecordTrust::Newer;
         in.record.reset();
     },
     {"refuse 0", "refuse 1"}},
};

INSTANTIATE_TEST_SUITE_P(Cases, PlanTest, testing::ValuesIn(kCases), [](const auto &param) {
    std::string name;
    for (const char c : std::string(param.param.name))
        name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    return name;
});

TEST(PlanOrderTest, AddsBeforeReplacesBeforeRemovals) {
    PlanInput input = unchanged();
    input.declared[0].evidence = SlotEvidence::Rejected;
    input.declared[1].slot = 7;
    input.declared[1].evidence = SlotEvidence::NotTested;
    EXPECT_EQ(stepsOf(input), (std::vector<std::string>{"add 7", "replace 0", "remove 1"}));
}

// META is written by whoever holds the disk.
TEST(PlanByMetaTest, KeysDoNotComeAndGo) {
    PlanInput input = unchanged();
    input.declaredByMeta = true;
    EXPECT_EQ(stepsOf(input), std::vector<std::string>());
    input.declared[0].evidence = SlotEvidence::Rejected;
    input.declared[1].slot = 7;
    input.declared[1].evidence = SlotEvidence::NotTested;
    EXPECT_EQ(stepsOf(input), (std::vector<std::string>{"defer 0", "defer 1", "defer 7"}));
}

TEST(PlanByMetaTest, AKeyOnRecordIsSealedAnewAndNoOther) {
    PlanInput input = unchanged();
    input.declaredByMeta = true;
    DeclaredKey &key = input.declared[1];
    key.kind = input.record->slots.at(1).kind = KeyKind::Tpm;
    key.evidence = SlotEvidence::AreaSame;
    key.renewalReason = "re-seal: PCR 7 changed";
    EXPECT_EQ(stepsOf(input), std::vector<std::string>{"replace 1"});
    key.paramsDigest = digest('q');  // bound to less, perhaps
    EXPECT_EQ(stepsOf(input), std::vector<std::string>{"defer 1"});
}

TEST(PlanOrderTest, RefusalNamesItsError) {
    PlanInput input = unchanged();
    input.record->slots.erase(1);
    input.declared[1].evidence = SlotEvidence::Rejected;
    const auto steps = planSync(input);
    EXPECT_EQ(steps.back().action, StepAction::Refuse);
    EXPECT_EQ(steps.back().error, base::ErrorCode::SlotInUse);
}

}  // namespace
}  // namespace volumecrypt::model

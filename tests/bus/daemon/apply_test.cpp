// SPDX-License-Identifier: Apache-2.0
// Plan foresees Apply: in each situation the plan is taken, then Apply runs, and both must have
// named the same volumes with the same kinds of steps; the plan after it has nothing left to do.
#include <map>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apply_machine.h"
#include "base/files.h"
#include "support/process.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
struct Situation {
    std::string name;
    std::vector<std::pair<std::string, std::string>> volumes;  // name, more of the `volume` mapping
    std::vector<std::pair<std::string, std::string>> files;    // below script/
    Marks foreseen;
    bool works = true;
    std::vector<std::string> lock = {};      // by Lock, before
    std::vector<std::string> leaves = {};    // the configuration, before; unlocked
    std::vector<std::string> declared = {};  // names that come without a reload
    bool again = true;                       // the plan after it is empty
};

void PrintTo(const Situation &situation, std::ostream *out) {
    *out << situation.name;
}

class PlanAndApply : public ApplyMachine, public ::testing::WithParamInterface<Situation> {
  protected:
    void prepare(const Situation &situation) const;
    void agree(const Situation &situation, const Marks &expected);
};

Marks withoutKeeps(const Marks &marks) {
    Marks rest;
    for (const auto &mark : marks)
        if (mark.second != "keep") rest.insert(mark);
    return rest;
}

void PlanAndApply::prepare(const Situation &situation) const {
    for (const auto &[name, more] : situation.volumes) declare(name, more);
    for (const auto &[name, text] : situation.files) daemon_.folder().write("script/" + name, text);
    for (const auto &name : situation.leaves) {
        declare(name, "");
        map("u-" + name);
    }
}

void PlanAndApply::agree(const Situation &situation, const Marks &expected) {
    daemon_.start();
    client_.listen();
    for (const auto &id : situation.lock)
        ASSERT_EQ(client_.call(volumePath(id), kVolume, "Lock", Options()), "");
    for (const auto &name : situation.leaves) daemon_.unconfigure(name + ".yaml");
    for (const auto &name : situation.declared) declare(name, "");
    if (systemd_) systemd_->forgetCalls();

    const Marks foreseen = plan();
    EXPECT_EQ(foreseen, expected);
    Marks done;
    const Finished end = apply(done);
    EXPECT_EQ(done, foreseen) << end.message;
    EXPECT_EQ(end.success, situation.works) << end.message;
    if (situation.again) {
        EXPECT_EQ(withoutKeeps(plan()), Marks()) << "after " << end.message;
    }
    for (const auto &id : situation.lock)
        EXPECT_EQ(client_.property<std::string>(volumePath(id), kVolume, "State"), "locked");
}

TEST_P(PlanAndApply, Agree) {
    prepare(GetParam());
    agree(GetParam(), GetParam().foreseen);
}

// What Apply asks of systemd, in this order.
using Calls = std::vector<std::string>;
const Calls kReload{"reload"};

std::string attachUnit(const std::string &id) {
    return "volumecrypt@" + id + ".service";
}
std::string mountUnit(const std::string &name) {
    return "var-mnt-" + name + ".mount";
}
Calls inOrder(const std::vector<Calls> &parts) {
    Calls all;
    for (const auto &part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}
// Of one that is open already no sync unit is waited for.
Calls started(const std::string &name, const std::string &mount) {
    return {"start " + attachUnit("u-" + name), "start " + mount};
}
Calls started(const std::string &name) {
    return started(name, mountUnit(name));
}
Calls opened(const std::string &name, const std::string &mount) {
    return inOrder({started(name, mount), {"start volumecrypt-sync@u-" + name + ".service"}});
}
Calls opened(const std::string &name) {
    return opened(name, mountUnit(name));
}
// Before the units are gone, and none stays in the list of failed ones.
Calls left(const std::string &name) {
    return {"stop " + mountUnit(name), "stop " + attachUnit("u-" + name),
            "reset " + mountUnit(name), "reset volumecrypt-sync@u-" + name + ".service",
            "reset " + attachUnit("u-" + name)};
}

// In all other situations systemd only reads its units anew.
const std::map<std::string, Calls> kCalls{
    {"Unlocked", inOrder({kReload, started("a")})},
    {"Locked", inOrder({kReload, opened("a")})},
    {"TwoLocked", inOrder({kReload, opened("a"), opened("b")})},
    {"OneOfTwoLocked", inOrder({kReload, started("a"), opened("b")})},
    {"Blank", inOrder({kReload, opened("a")})},
    {"BlankWithKeys", inOrder({kReload, opened("a")})},
    {"PlainBlank", inOrder({kReload, started("a")})},
    {"Plain", inOrder({kReload, started("a")})},
    {"Keys", inOrder({kReload, started("a")})},
    {"KeysOfOne", inOrder({kReload, started("a"), started("b")})},
    {"NoKeyOpens", inOrder({kReload, {"start volumecrypt@u-a.service"}})},
    {"NoKeyOpensOne", inOrder({kReload, {"start volumecrypt@u-a.service"}, opened("b")})},
    {"WrongDeviceOfOne", inOrder({kReload, opened("b")})},
    {"LockedByLockAndAnother", inOrder({kReload, opened("b")})},
    {"Nested", inOrder({kReload, opened("a"), opened("b", "var-mnt-a-b.mount")})},
    {"Left", inOrder({left("x"), kReload})},
    {"LeftAndLocked", inOrder({left("x"), kReload, opened("a")})},
    {"TwoLeft", inOrder({left("x"), left("y"), kReload, started("a")})},
    {"LeftWithKeysOfAnother", inOrder({left("x"), kReload, started("a")})},
    {"NewWithoutReload", inOrder({kReload, opened("n")})},
    {"NewBlankWithoutReload", inOrder({kReload, started("a"), opened("n")})},
    {"NewAndLeft", inOrder({left("x"), kReload, opened("n")})},
    {"NewWithWrongDevice", inOrder({kReload, started("a")})},
};

// The same where systemd mounts what is open.
class WithSystemd : public PlanAndApply {
  protected:
    void SetUp() override {
        useSystemd();
        PlanAndApply::SetUp();
    }
};

TEST_P(WithSystemd, Agree) {
    const Situation &situation = GetParam();
    prepare(situation);
    systemd_->generate();
    for (const auto &[file, state] : situation.files)
        if (file.starts_with("state-") && (state == "unlocked" || state == "plain")) {
            const std::string id = file.substr(std::string("state-").size());
            if (state == "unlocked") map(id);
            systemd_->activate(attachUnit(id));
            systemd_->mount(mountUnit(id.substr(2)));
        }
    Marks expected = situation.foreseen;
    for (const auto &[id, action] : situation.foreseen)
        if (action == "unlock" || action == "format") expected.emplace(id, "mount");
    for (const auto &name : situation.declared) expected.emplace("u-" + name, "units");
    agree(situation, expected);
    const auto calls = kCalls.find(situation.name);
    EXPECT_EQ(systemd_->calls(), calls == kCalls.end() ? kReload : calls->second);
}

const std::pair<std::string, std::string> kA{"a", ""};
const std::pair<std::string, std::string> kB{"b", ""};
const std::pair<std::string, std::string> kOpenA{"state-u-a", "unlocked"};
const std::pair<std::string, std::string> kOpenB{"state-u-b", "unlocked"};
const std::pair<std::string, std::string> kBlankA{"state-u-a", "blank"};
const std::pair<std::string, std::string> kKeysA{"keys-u-a", ""};

const std::vector<Situation> kSituations{
    {"Nothing", {}, {}, {}},
    {"Unlocked", {kA}, {kOpenA}, {}},
    {"Locked", {kA}, {}, {{"u-a", "unlock"}}},
    {"TwoLocked", {kA, kB}, {}, {{"u-a", "unlock"}, {"u-b", "unlock"}}},
    {"OneOfTwoLocked", {kA, kB}, {kOpenA}, {{"u-b", "unlock"}}},
    {"Blank", {kA}, {kBlankA}, {{"u-a", "format"}}},
    {"BlankWithKeys", {kA}, {kBlankA, kKeysA}, {{"u-a", "format"}}},
    {"PlainBlank", {{"a", "plain"}}, {kBlankA, {"plain-u-a", ""}}, {{"u-a", "format"}}},
    {"Plain", {{"a", "plain"}}, {{"state-u-a", "plain"}, {"plain-u-a", ""}}, {}},
    {"Keys", {kA}, {kOpenA, kKeysA}, {{"u-a", "keys"}}},
    {"KeysOfOne", {kA, kB}, {kOpenA, kOpenB, kKeysA}, {{"u-a", "keys"}}},
    {"NoKeyOpens", {kA}, {{"no-u-a", ""}}, {{"u-a", "fail"}}, false, {}, {}, {}, false},
    {"NoKeyOpensOne",
     {kA, kB},
     {{"no-u-a", ""}},
     {{"u-a", "fail"}, {"u-b", "unlock"}},
     false,
     {},
     {},
     {},
     false},
    {"WrongDevice", {kA}, {{"state-u-a", "absent"}}, {{"u-a", "fail"}}, false, {}, {}, {}, false},
    {"WrongDeviceOfOne",
     {kA, kB},
     {{"state-u-a", "absent"}},
     {{"u-a", "fail"}, {"u-b", "unlock"}},
     false,
     {},
     {},
     {},
     false},
    {"AbsentByLabel", {{"a", "label"}}, {{"state-u-a", "absent"}}, {{"u-a", "keep"}}},
    {"AbsentManual", {{"a", "unlock: manual"}}, {{"state-u-a", "absent"}}, {}},
    {"Manual", {{"a", "unlock: manual"}}, {}, {}},
    {"ManualOpen", {{"a", "unlock: manual"}}, {kOpenA, kKeysA}, {{"u-a", "keys"}}},
    {"LockedByLock", {kA}, {kOpenA}, {{"u-a", "keep"}}, true, {"u-a"}},
    {"LockedByLockAndAnother",
     {kA, kB},
     {kOpenA},
     {{"u-a", "keep"}, {"u-b", "unlock"}},
     true,
     {"u-a"}},
    {"LockedByLockWithKeys", {kA}, {kOpenA, kKeysA}, {{"u-a", "keep"}}, true, {"u-a"}},
    {"Nested",
     {kA, {"b", "mount: {where: /var/mnt/a/b}"}},
     {},
     {{"u-a", "unlock"}, {"u-b", "unlock"}}},
    {"Left", {}, {{"state-u-x", "unlocked"}}, {{"u-x", "lock"}}, true, {}, {"x"}},
    {"LeftAndLocked",
     {kA},
     {{"state-u-x", "unlocked"}},
     {{"u-x", "lock"}, {"u-a", "unlock"}},
     true,
     {},
     {"x"}},
    {"TwoLeft",
     {kA},
     {kOpenA, {"state-u-x", "unlocked"}, {"state-u-y", "unlocked"}},
     {{"u-x", "lock"}, {"u-y", "lock"}},
     true,
     {},
     {"x", "y"}},
    {"LeftWithKeysOfAnother",
     {kA},
     {kOpenA, kKeysA, {"state-u-x", "unlocked"}},
     {{"u-x", "lock"}, {"u-a", "keys"}},
     true,
     {},
     {"x"}},
    {"NewWithoutReload", {}, {}, {{"u-n", "unlock"}}, true, {}, {}, {"n"}},
    {"NewBlankWithoutReload",
     {kA},
     {kOpenA, {"state-u-n", "blank"}},
     {{"u-n", "format"}},
     true,
     {},
     {},
     {"n"}},
    {"NewAndLeft",
     {},
     {{"state-u-x", "unlocked"}},
     {{"u-x", "lock"}, {"u-n", "unlock"}},
     true,
     {},
     {"x"},
     {"n"}},
    {"NewWithWrongDevice",
     {kA},
     {kOpenA, {"state-u-n", "absent"}},
     {{"u-n", "fail"}},
     false,
     {},
     {},
     {"n"},
     false},
};
INSTANTIATE_TEST_SUITE_P(Situations, PlanAndApply, ::testing::ValuesIn(kSituations),
                         [](const auto &row) { return row.param.name; });
INSTANTIATE_TEST_SUITE_P(Situations, WithSystemd, ::testing::ValuesIn(kSituations),
                         [](const auto &row) { return row.param.name; });

class ApplyCommand : public ApplyMachine {};

TEST_F(ApplyCommand, SaysOneLineForEachAndNothingTwice) {
    declare("a", "");
    declare("b", "");
    declare("c", "");
    daemon_.folder().write("script/state-u-b", "absent");
    daemon_.folder().write("script/no-u-c", "");
    daemon_.start();
    const auto run = [](const std::string &command) {
        return Process{.argv = {CTL_PROGRAM, command}, .input = {}, .secret = {}}.run();
    };
    const ProcessResult planned = run("plan");
    EXPECT_EQ(planned.exitCode, 2) << planned.err;
    EXPECT_THAT(planned.out, HasSubstr("u-a\tunlock\t-\tvolume\t"));
    const ProcessResult applied = run("apply");
    EXPECT_EQ(applied.exitCode, 1);
    EXPECT_EQ(applied.out, "u-a\tunlock\tunlocked\n");
    EXPECT_THAT(applied.err,
                HasSubstr("volumecryptctl: u-b: its device /dev/fake-b is not there\n"));
    EXPECT_THAT(applied.err, HasSubstr("volumecryptctl: u-c: no\n"));
    EXPECT_THAT(applied.err, Not(HasSubstr("u-b: its device /dev/fake-b is not there; ")));
    daemon_.configure("broken.yaml", "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: 'a b'\n");
    EXPECT_EQ(run("plan").exitCode, 1);
}

TEST_F(ApplyCommand, LeavesWhatWasLockedMeanwhile) {
    declare("a", "");
    declare("z", "");
    daemon_.folder().write("script/state-u-z", "unlocked");
    map("u-z");
    const std::string attach = *base::readFile(daemon_.folder().file("script/attach"));
    daemon_.script(
        "attach",
        "[ \"$volume\" = u-a ] && while [ ! -e \"$SCRIPTS/go\" ]; do sleep 0.05; done\n" + attach);
    daemon_.start();
    client_.listen();
    sdbus::ObjectPath job;
    ASSERT_EQ(client_.get(job, kRoot, kManager, "Apply", Options()), "");
    ASSERT_TRUE(client_.waitFor([&] {
        const auto calls = base::readFile(daemon_.folder().file("script/calls"));
        return calls && calls->find("attach u-a") != std::string::npos;
    }));
    ASSERT_EQ(client_.call(volumePath("u-z"), kVolume, "Lock", Options()), "");
    daemon_.folder().write("script/go", "");
    EXPECT_TRUE(client_.finished(job).success);
    EXPECT_EQ(client_.property<std::string>(volumePath("u-z"), kVolume, "State"), "locked");
}

}  // namespace
}  // namespace volumecrypt::test

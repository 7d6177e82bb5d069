// SPDX-License-Identifier: Apache-2.0
// Plan foresees Apply: in each situation the plan is taken, then Apply runs, and both must have
// named the same volumes with the same kinds of steps; the plan after it has nothing left to do.
#include <filesystem>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "support/process.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Plans = std::vector<sdbus::Struct<std::string, std::vector<Options>>>;
using Result = sdbus::Struct<std::string, std::string, std::string>;
using Marks = std::set<std::pair<std::string, std::string>>;  // volume, kind of step

// A machine in files: $SCRIPTS/state-ID holds a state, $SCRIPTS/keys-ID is there when its keys are
// not as declared, $SCRIPTS/no-ID when it cannot be opened, $SCRIPTS/room-ID when its device became
// larger.
constexpr const char *kMachine = R"sh(
file=$SCRIPTS/state-$volume
state=$(cat "$file" 2>/dev/null || echo locked)
steps=
[ -e "$SCRIPTS/keys-$volume" ] && steps=',"steps":[{"action":"add","slot":1,"kind":"static","reason":"declared"}]'
room=
[ -e "$SCRIPTS/room-$volume" ] && room=',"unusedBytes":67108864'
say() {
  printf '{"type":"result","verb":"%s","volume":"%s","state":"%s","changed":true,"device":"/fake"%s%s}\n' \
    "$verb" "$volume" "$state" "$room" "$steps"
}
)sh";

std::string machine(const std::string &shell) {
    return kMachine + shell;
}

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

class PlanAndApply : public ::testing::TestWithParam<Situation> {
  public:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Absent); }
    static void TearDownTestSuite() { bus_.reset(); }

  protected:
    void SetUp() override {
        daemon_.script("inspect", machine("steps=\nsay"));
        daemon_.script("plan", machine(R"([ -e "$SCRIPTS/no-$volume" ] && error NoUsableKey "no"
            say)"));
        daemon_.script("attach", machine(R"([ -e "$SCRIPTS/no-$volume" ] && error NoUsableKey "no"
            rm -f "$SCRIPTS/keys-$volume"
            steps=; state=unlocked; [ -e "$SCRIPTS/plain-$volume" ] && state=plain
            echo "$state" >"$file"; say)"));
        daemon_.script("detach", machine(R"(state=locked; echo locked >"$file"
            rm -rf "$SCRIPTS/../root/sys/class/block/dm-$volume"; steps=; say)"));
        daemon_.script("sync", machine(R"([ -e "$SCRIPTS/refuse-$volume" ] && error SlotInUse "no"
            rm -f "$SCRIPTS/keys-$volume"; say)"));
    }
    void declare(const std::string &name, const std::string &more) const {
        daemon_.configure(name + ".yaml",
                          "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
                              "\nvolume: {device: /dev/fake-" + name +
                              (more.starts_with("unlock") ? ", " + more : "") + "}\n" +
                              (more.starts_with("mount") ? more + "\n" : "") +
                              (more == "plain" ? ""
                                               : "encryption: {provider: luks2, keys: [{slot: 0, "
                                                 "static: {passphrase: x}}]}\n"));
    }
    void map(const std::string &id) const {
        const std::string folder = "root/sys/class/block/dm-" + id + "/";
        daemon_.folder().write(folder + "dm/name", "luks2-" + id + "\n");
        daemon_.folder().write(folder + "dm/uuid", "CRYPT-LUKS2-x\n");
        daemon_.folder().write(folder + "dev", "252:7\n");
    }
    Marks plan() {
        Plans plans;
        EXPECT_EQ(client_.get(plans, kRoot, kManager, "Plan"), "");
        Marks marks;
        std::set<std::string> formatted;
        for (const auto &volume : plans)
            for (const auto &step : volume.get<1>())
                if (step.at("action").get<std::string>() == "format")
                    formatted.insert(volume.get<0>());
        for (const auto &volume : plans)
            for (const auto &step : volume.get<1>()) {
                auto action = step.at("action").get<std::string>();
                // Those of the first format are a part of it.
                if (step.contains("slot") && formatted.contains(volume.get<0>())) continue;
                if (action == "refuse")
                    action = "fail";
                else if (step.contains("slot") && action != "keep")
                    action = "keys";
                else if (step.contains("slot"))
                    continue;
                marks.emplace(volume.get<0>(), action);
            }
        return marks;
    }
    Finished apply(Marks &marks) {
        sdbus::ObjectPath job;
        EXPECT_EQ(client_.get(job, kRoot, kManager, "Apply", Options()), "");
        Finished end = client_.finished(job);
        for (const auto &result : client_.property<std::vector<Result>>(job, kJob, "Results"))
            EXPECT_TRUE(marks.emplace(result.get<0>(), result.get<1>()).second)
                << result.get<0>() << " is told twice: " << result.get<2>();
        return end;
    }

    static std::unique_ptr<TestBus> bus_;
    TestDaemon daemon_{Engine::Scripted};
    Client client_;
};
std::unique_ptr<TestBus> PlanAndApply::bus_;

Marks withoutKeeps(const Marks &marks) {
    Marks rest;
    for (const auto &mark : marks)
        if (mark.second != "keep") rest.insert(mark);
    return rest;
}

TEST_P(PlanAndApply, Agree) {
    const Situation &situation = GetParam();
    for (const auto &[name, more] : situation.volumes) declare(name, more);
    for (const auto &[name, text] : situation.files) daemon_.folder().write("script/" + name, text);
    for (const auto &name : situation.leaves) {
        declare(name, "");
        map("u-" + name);
    }
    daemon_.start();
    client_.listen();
    for (const auto &id : situation.lock)
        ASSERT_EQ(client_.call(volumePath(id), kVolume, "Lock", Options()), "");
    for (const auto &name : situation.leaves) daemon_.unconfigure(name + ".yaml");
    for (const auto &name : situation.declared) declare(name, "");

    const Marks foreseen = plan();
    EXPECT_EQ(foreseen, situation.foreseen);
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
    {"RoomUnused", {kA}, {kOpenA, {"room-u-a", ""}}, {{"u-a", "keep"}}},
    {"RoomUnusedAndKeys",
     {kA},
     {kOpenA, kKeysA, {"room-u-a", ""}},
     {{"u-a", "keep"}, {"u-a", "keys"}}},
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

class ApplyCommand : public PlanAndApply {};

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

}  // namespace
}  // namespace volumecrypt::test

// SPDX-License-Identifier: Apache-2.0
// The scripts of the machine, and what Plan and Apply say of it.
#include "apply_machine.h"

namespace volumecrypt::test {
namespace {

constexpr const char *kMachine = R"sh(
file=$SCRIPTS/state-$volume
state=$(cat "$file" 2>/dev/null || echo locked)
steps=
[ -e "$SCRIPTS/keys-$volume" ] && steps=',"steps":[{"action":"add","slot":1,"kind":"static","reason":"declared"}]'
block=$SCRIPTS/../root/sys/class/block/dm-$volume
say() {
  printf '{"type":"result","verb":"%s","volume":"%s","state":"%s","changed":true,"device":"/fake"%s}\n' \
    "$verb" "$volume" "$state" "$steps"
}
)sh";

std::string machine(const std::string &shell) {
    return kMachine + shell;
}

}  // namespace

std::unique_ptr<TestBus> ApplyMachine::bus_;

void ApplyMachine::useSystemd() {
    systemd_ = std::make_unique<FakeSystemd>(daemon_.folder().path());
    daemon_.setOptions({"--launcher=systemd"});
}

void ApplyMachine::SetUp() {
    daemon_.script("inspect", machine("steps=\nsay"));
    daemon_.script("plan", machine(R"([ -e "$SCRIPTS/no-$volume" ] && error NoUsableKey "no"
        say)"));
    daemon_.script("attach", machine(R"([ -e "$SCRIPTS/no-$volume" ] && error NoUsableKey "no"
        rm -f "$SCRIPTS/keys-$volume"
        steps=; state=unlocked; [ -e "$SCRIPTS/plain-$volume" ] && state=plain
        if [ "$state" = unlocked ] && [ ! -e "$block" ]; then
          mkdir -p "$block/dm"; echo "luks2-$volume" >"$block/dm/name"
          echo CRYPT-LUKS2-x >"$block/dm/uuid"; printf '252:%d\n' "'${volume#u-}" >"$block/dev"
        fi
        echo "$state" >"$file"; say)"));
    daemon_.script("detach", machine(R"(state=locked; echo locked >"$file"
        rm -rf "$block"; steps=; say)"));
    daemon_.script("sync", machine(R"([ -e "$SCRIPTS/refuse-$volume" ] && error SlotInUse "no"
        rm -f "$SCRIPTS/keys-$volume"; say)"));
}

void ApplyMachine::declare(const std::string &name, const std::string &more) const {
    const bool line = more.starts_with("mount") || more.starts_with("filesystem");
    daemon_.configure(
        name + ".yaml",
        "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
            (more == "label" ? std::string("\n")
                             : "\nvolume: {device: /dev/fake-" + name +
                                   (more.starts_with("unlock") ? ", " + more : "") + "}\n") +
            (line ? more + "\n" : "") +
            (more == "plain" ? ""
                             : "encryption: {provider: luks2, keys: [{slot: 0, "
                               "static: {passphrase: x}}]}\n"));
}

void ApplyMachine::map(const std::string &id) const {
    const std::string folder = "root/sys/class/block/dm-" + id + "/";
    daemon_.folder().write(folder + "dm/name", "luks2-" + id + "\n");
    daemon_.folder().write(folder + "dm/uuid", "CRYPT-LUKS2-x\n");
    daemon_.folder().write(folder + "dev", "252:" + std::to_string(id.back()) + "\n");
}

ApplyMachine::Plans ApplyMachine::ask() {
    Plans plans;
    EXPECT_EQ(client_.get(plans, kRoot, kManager, "Plan"), "");
    return plans;
}

std::multiset<std::string> ApplyMachine::stepsOf(const std::string &id) {
    std::multiset<std::string> texts;
    for (const auto &volume : ask())
        for (const auto &step : volume.get<1>())
            if (volume.get<0>() == id)
                texts.insert(step.at("action").get<std::string>() + ": " +
                             step.at("reason").get<std::string>());
    return texts;
}

Marks ApplyMachine::plan() {
    const Plans plans = ask();
    Marks marks;
    std::set<std::string> formatted;
    for (const auto &volume : plans)
        for (const auto &step : volume.get<1>())
            if (step.at("action").get<std::string>() == "format") formatted.insert(volume.get<0>());
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

Finished ApplyMachine::apply(Marks &marks, const Options &options) {
    sdbus::ObjectPath job;
    EXPECT_EQ(client_.get(job, kRoot, kManager, "Apply", options), "");
    Finished end = client_.finished(job);
    results_ = client_.property<std::vector<Result>>(job, kJob, "Results");
    for (const auto &result : results_)
        EXPECT_TRUE(marks.emplace(result.get<0>(), result.get<1>()).second)
            << result.get<0>() << " is told twice: " << result.get<2>();
    return end;
}

std::multiset<std::string> ApplyMachine::resultsOf(const std::string &id) const {
    std::multiset<std::string> texts;
    for (const auto &result : results_)
        if (result.get<0>() == id) texts.insert(result.get<1>() + ": " + result.get<2>());
    return texts;
}

}  // namespace volumecrypt::test

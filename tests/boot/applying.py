# SPDX-License-Identifier: Apache-2.0
"""`volumecryptctl apply`, held against what `volumecryptctl plan` foresaw right before: for each volume the kinds of
steps, as tests/bus/daemon/apply_test.cpp holds them against each other without systemd."""
import json
import re

APPLY = "volumecryptctl apply"
# What is said besides, of both: warnings, and what could be done that apply does not.
NO_STEPS = {"warn", "note"}
# After an unlock its sync unit is still at work, with the configuration as it finds it.
AT_REST = ("! systemctl list-units --plain --no-legend --state=activating,deactivating 'volumecrypt*' | grep -q ."
           " && ! pgrep -x volumecrypt-eng >/dev/null")


def foreseen(plans):
    """{(volume, kind of step)}: steps on slots are "keys", refusals "fail"; slots of a format are a part of it."""
    marks = set()
    for plan in plans:
        actions = {step["action"] for step in plan["steps"] if step["slot"] is None}
        for step in plan["steps"]:
            action = "fail" if step["action"] == "refuse" else step["action"]
            if action in NO_STEPS:
                continue
            if step["slot"] is not None:
                if action == "keep" or "format" in actions:
                    continue
                action = "fail" if action == "fail" else "keys"
            marks.add((plan["volume"], action))
    return marks


def reported(output):
    """The same, of the lines that apply prints: ID, action and text, or an error that names the volume."""
    marks = set()
    for line in output.splitlines():
        fields = line.split("\t")
        if len(fields) > 2 and fields[1] not in NO_STEPS:
            marks.add((fields[0], fields[1]))
        elif found := re.match(r"volumecryptctl: (?:volume )?([A-Z]+|[urs]-[a-z0-9-]+)(?:: | \()", line):
            marks.add((found[1], "fail"))
    return marks


def planned(machine):
    """What plan says, as text and as marks; an exit code of 1 has no plan."""
    outcome = machine.run("volumecryptctl plan --json", 300)
    marks = foreseen(json.loads(outcome.output)) if outcome.code in (0, 2) else None
    return f"exit {outcome.code}\n{outcome.output}", marks


def rest(machine):
    """Waits until no engine and no unit of ours is at work."""
    machine.wait_until(AT_REST)


def applies(check, machine, works=True):
    """What apply printed. A change of keys has to be declared at rest, or a sync unit does it before."""
    rest(machine)
    text, plan = planned(machine)
    outcome = machine.run(APPLY, 300)
    printed = f"apply: exit {outcome.code}\n{outcome.output}"
    check.fact(f"`{APPLY}`" if works else f"`{APPLY}` fails", outcome.ok == works, printed)
    done = reported(outcome.output)
    said = ", ".join(" ".join(mark) for mark in sorted(done)) or "nothing to do"
    check.fact(f"plan had foreseen it: {said}", plan == done, f"plan: {text}\n{printed}")
    return outcome.output

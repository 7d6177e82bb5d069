# SPDX-License-Identifier: Apache-2.0
"""What the running service must do, checked in a machine that has the three volumes of thin_path."""
import json

from bus import NAME, ROOT, get_property, run_job, volume_path
from thin_path import DATA, VOLUMES

NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"


def check_units(checks, machine):
    checks.section("Units as systemd sees them")
    names = ["volumecrypt.service"]
    for volume in VOLUMES:
        names += [f"volumecrypt@{volume.id}.service", f"volumecrypt-sync@{volume.id}.service", volume.mount]
    # It looks where units are installed, not where generators write, unless it is told to.
    path = "SYSTEMD_UNIT_PATH=/run/systemd/generator:"
    outcome = machine.run(f"{path} systemd-analyze verify --man=no {' '.join(names)} 2>&1", 180)
    # It also looks at what our units pull in; that is Debian's.
    ours = [line for line in outcome.output.splitlines() if "volumecrypt" in line or ".mount" in line]
    checks.fact("systemd-analyze verify has nothing to say about the units", outcome.ok and not ours, outcome.output)
    # The threshold is in tenths.
    security = machine.run("systemd-analyze security --no-pager --threshold=13 volumecrypt.service", 120)
    last = security.output.strip().splitlines()[-1:] or [""]
    checks.fact(f"systemd-analyze security: at most 1.3 ({last[0].lstrip('→ ')})", security.ok, security.output)
    failed = machine.run("systemctl --failed --no-legend").output
    checks.equal("no unit failed", failed, "")


def check_polkit(checks, machine):
    checks.section("Authorisation: another user than root")
    path = volume_path(machine, DATA.id)
    calls = {
        "Manager.Reload": f"{ROOT} {NAME}.Manager Reload a{{sv}} 0",
        "Manager.Apply": f"{ROOT} {NAME}.Manager Apply a{{sv}} 0",
        "Volume.Lock": f"{path} {NAME}.Volume Lock a{{sv}} 0",
        "Volume.Sync": f"{path} {NAME}.Volume Sync a{{sv}} 0",
    }
    for method, call in calls.items():
        outcome = machine.run(f"{NOBODY} busctl call {NAME} {call}")
        # busctl prints the message only; gdbus would print the name, but cannot be told from it alone.
        denied = machine.run(f"{NOBODY} gdbus call --system --dest {NAME} --object-path {call.split()[0]} "
                             f"--method {NAME}.{method} '{{}}'")
        checks.fact(f"{method} is refused with NotAuthorized",
                    not outcome.ok and f"{NAME}.Error.NotAuthorized" in denied.output,
                    outcome.output + denied.output)
    checks.fact("u-data is still mounted", machine.run(f"mountpoint -q {DATA.where}").ok)
    outcome = machine.run(f"{NOBODY} busctl get-property {NAME} {path} {NAME}.Volume State")
    checks.fact("reading a property needs no authorisation", outcome.ok, outcome.output)


def check_lock_and_unlock(checks, machine):
    checks.section("Lock and Unlock on the bus")
    path = volume_path(machine, DATA.id)
    checks.equal("State is unlocked", get_property(machine, path, "Volume", "State"), "unlocked")
    busy = machine.start(f"exec 9>{DATA.where}/open; sleep 60", 90)
    machine.wait_until(f"test -e {DATA.where}/open")
    outcome = machine.run(f"busctl call {NAME} {path} {NAME}.Volume Lock a{{sv}} 0")
    checks.fact("Lock of a volume in use fails and leaves it mounted",
                not outcome.ok and machine.run(f"mountpoint -q {DATA.where}").ok, outcome.output)
    machine.run("pkill -x sleep")
    busy()
    outcome = machine.run(f"busctl call {NAME} {path} {NAME}.Volume Lock a{{sv}} 0")
    gone = machine.run(f"! mountpoint -q {DATA.where} && ! test -e /dev/mapper/{DATA.mapping}").ok
    checks.fact("Lock unmounts it and closes the mapping", outcome.ok and gone, outcome.output)
    checks.equal("State is locked", get_property(machine, path, "Volume", "State"), "locked")
    outcome = machine.run(f"busctl call {NAME} {path} {NAME}.Volume Unlock a{{sv}} 0", 180)
    checks.fact("Unlock answers with the mapping", f"/dev/mapper/{DATA.mapping}" in outcome.output, outcome.output)
    mounted = machine.wait_until(f"mountpoint -q {DATA.where} && grep -q u-data {DATA.where}/kept")
    checks.fact("and it is mounted again, with its file", mounted.ok, mounted.output)
    checks.equal("State is unlocked again", get_property(machine, path, "Volume", "State"), "unlocked")


def check_idle_sync(checks, machine):
    checks.section("A sync with nothing to do")
    path = volume_path(machine, DATA.id)
    digest = f"head -c 16M {DATA.device} | sha256sum"
    before = machine.output(digest)
    result = run_job(machine, f"busctl call {NAME} {path} {NAME}.Volume Sync a{{sv}} 0")
    checks.fact("Sync succeeds", result.success, result.text)
    checks.equal("and not one byte of the header area changed", machine.output(digest), before)


def check_command_line(checks, machine):
    checks.section("volumecryptctl")
    outcome = machine.run("volumecryptctl list --json")
    checks.fact("list --json succeeds", outcome.ok, outcome.output)
    listed = json.loads(outcome.output) if outcome.ok else []
    states = {entry["volume"]: entry["state"] for entry in listed}
    checks.equal("it shows the three volumes unlocked", states, {v.id: "unlocked" for v in VOLUMES})
    outcome = machine.run("volumecryptctl plan", 180)
    checks.fact("plan has nothing to do: exit code 0", outcome.ok, f"{outcome.code}\n{outcome.output}")
    outcome = machine.run(f"{NOBODY} volumecryptctl lock {DATA.id}")
    checks.fact("lock by another user fails with exit code 1", outcome.code == 1, f"{outcome.code}\n{outcome.output}")


def check_service(checks, machine):
    check_units(checks, machine)
    check_command_line(checks, machine)
    check_polkit(checks, machine)
    check_idle_sync(checks, machine)
    check_lock_and_unlock(checks, machine)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Volumes that the machine's TPM opens, several at once: sealed at the first boot, healed after a change of what was
measured, and refused by another TPM (TAP)."""
import json
import shutil
import sys

import checks
from bus import ROOT, get_property
from disk import Disk
from image import system_image
from vm import Machine

UUID = "5b7e21d4-c90f-4a86-b1d3-2f6a8e04c719"
CONFIG = "/etc/volumecrypt/volumes.yaml"
NAMES = ["data", "more", "rest"]
WHERE = "/var/mnt/data"
DOCUMENT = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: {name}
filesystem: {{type: ext4}}
mount: {{required: true}}
encryption:
  provider: luks2
  keys:
    - {{slot: 0, tpm: {{}}}}
    - {{slot: 1, static: {{passphraseFile: /etc/volumecrypt/other.key}}}}
"""
KEY = "/etc/volumecrypt/other.key"
# Stands for firmware with Secure Boot, which SeaBIOS is not: what it checked goes into PCR 7 before any volume is
# opened. With the parameter on the kernel's command line it is something else.
MEASURE = """[Unit]
DefaultDependencies=no
After=dev-tpmrm0.device
Wants=dev-tpmrm0.device
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'digest=%s; grep -q volumecrypt.measure /proc/cmdline && digest=%s; \\
  exec tpm2_pcrextend 7:sha256=$digest'
""" % ("11" * 32, "22" * 32)


def all_volumes(value):
    return {f"u-{name}": value for name in NAMES}


def opened_by(machine):
    """The slot that opened each volume at this boot."""
    slots = {}
    for volume in all_volumes(None):
        text = machine.journal(f"-o json VOLUME={volume} OPERATION=attach | tail -1")
        slots[volume] = int(json.loads(text)["SLOT"]) if text else None
    return slots


def report(machine):
    """Of each volume, what the TPM says of its key: "opens", or the error's code."""
    keys = json.loads(machine.output("volumecryptctl tpm --json"))["keys"]
    return {key["volume"]: "opens" if key["opens"] else key["error"]["code"] for key in keys}


def tokens(machine, name="data"):
    header = json.loads(machine.output(f"cryptsetup luksDump --dump-json-metadata /dev/disk/by-partlabel/u-{name}"))
    return [token for token in header["tokens"].values() if token["type"] == "systemd-tpm2"]


def overlapped(machine):
    """How many of the attaches were running at the same time, from when systemd started and ended them."""
    events = []
    for volume in all_volumes(None):
        shown = machine.output(f"systemctl show --value -p ExecMainStartTimestampMonotonic "
                               f"-p ExecMainExitTimestampMonotonic volumecrypt@{volume}.service")
        start, end = sorted(int(line) for line in shown.split())
        events += [(start, 1), (end, -1)]
    most = now = 0
    for _, step in sorted(events):
        now += step
        most = max(most, now)
    return most


def boot(check, machine, name, cmdline=""):
    machine.boot(cmdline)
    state = machine.wait_booted()
    check.fact(f"{name}: the system is running", state == "running",
               lambda: machine.run("systemctl --failed; journalctl -b -p warning --no-pager | tail -40").output)
    for volume in NAMES:
        check.fact(f"{name}: {volume} is mounted", machine.run(f"mountpoint -q /var/mnt/{volume}").ok,
                   lambda: machine.run(f"systemctl status volumecrypt@u-{volume}.service").output)


def first_boot(check, machine):
    check.section("First boot: the keys are sealed")
    boot(check, machine, "first boot")
    for name in NAMES:
        sealed = tokens(machine, name)
        check.equal(f"u-{name} has one systemd-tpm2 token, for slot 0", [t["keyslots"] for t in sealed], [["0"]])
        check.equal("bound to PCR 7, the default", sealed[0]["tpm2-pcrs"], [7])
    check.equal("TpmPresent on the bus", get_property(machine, ROOT, "Manager", "TpmPresent"), True)
    check.equal("volumecryptctl tpm says that the TPM would open them", report(machine), all_volumes("opens"))
    machine.output(f"echo precious > {WHERE}/file && mv {KEY} {KEY}.away && sync")
    machine.power_off()


def second_boot(check, machine):
    check.section("Second boot: the TPM alone")
    # The other key's file is away.
    boot(check, machine, "second boot")
    check.equal("opened by slot 0, the TPM's", opened_by(machine), all_volumes(0))
    check.fact("several of them at the same time", overlapped(machine) > 1, lambda: machine.output(
        "systemctl show -p ExecMainStartTimestampMonotonic -p ExecMainExitTimestampMonotonic 'volumecrypt@*.service'"))
    check.equal("what was stored is there", machine.output(f"cat {WHERE}/file"), "precious")
    kept_out(check, machine)
    logged_once(check, machine)
    machine.output(f"mv {KEY}.away {KEY} && sync")
    machine.power_off()


def kept_out(check, machine):
    check.section("A drop-in takes the TPM away from a unit: its error says so, and which way back there is")
    unit = "volumecrypt-sync@u-data.service"
    machine.write(f"/etc/systemd/system/{unit}.d/narrow.conf",
                  "[Service]\nDeviceAllow=\nDeviceAllow=/dev/mapper/control rw\nDeviceAllow=block-* rw\n")
    machine.output("systemctl daemon-reload")
    check.fact("the sync fails", not machine.run(f"systemctl restart {unit}").ok)
    said = machine.output(f"journalctl -b -u {unit} --no-pager")
    for words in ("volume u-data ", "slot 0: this machine has a TPM, but /dev/tpmrm0 may not be opened by this process: "
                  "Operation not permitted", "`systemctl daemon-reload`", "`systemctl cat 'volumecrypt*'`"):
        check.fact(f"its error says: {words}", words in said, said)
    check.fact("and nothing of an IO failure", "IO failure" not in said, said)
    shown = machine.run("systemctl cat 'volumecrypt*'").output
    check.fact("what it advises shows the drop-in", "narrow.conf" in shown and "DeviceAllow=char-tpm rw" in shown, shown)
    machine.output(f"rm /etc/systemd/system/{unit}.d/narrow.conf && systemctl daemon-reload")
    again = machine.run(f"systemctl restart {unit}")
    check.fact("without it the sync goes on", again.ok, again.output)


def logged_once(check, machine):
    check.section("A job that fails is told of once in the journal, by its engine, with whom it was for")
    failed = machine.run("volumecryptctl remove-key u-data 5")
    check.fact("an empty slot is not removed", failed.code == 1, failed.output)
    machine.output("journalctl --sync")
    lines = machine.output("journalctl -b -o json --no-pager VOLUME=u-data OPERATION=remove-key").splitlines()
    entries = [json.loads(line) for line in lines]
    check.equal("who said it, and for whom", [(entry["SYSLOG_IDENTIFIER"], entry.get("CALLER_UID")) for entry in entries],
                [("volumecrypt-engine", "0")])


def changed_boot(check, machine):
    check.section("Something else is measured: the volumes open by their other keys and are sealed anew")
    boot(check, machine, "changed boot", "volumecrypt.measure")
    check.equal("opened by slot 1, the static one", opened_by(machine), all_volumes(1))
    told = machine.journal("VOLUME=u-data OPERATION=attach")
    check.fact("the unlock tells why the TPM's key did not do it", "by key slot 1 (slot 0: PCR 7 changed" in told, told)
    for name in NAMES:
        journal = machine.journal(f"-u volumecrypt@u-{name}.service -u volumecrypt-sync@u-{name}.service")
        check.fact(f"the sync of u-{name} tells why it seals anew", "re-seal: PCR 7 changed" in journal, journal)
    machine.wait_until(f"test $(volumecryptctl tpm | grep -c 'slot 0: the TPM would open it') = {len(NAMES)}")
    check.equal("after it the TPM would open the volumes", report(machine), all_volumes("opens"))
    for name in NAMES:
        check.equal(f"u-{name} still has one token", len(tokens(machine, name)), 1)
    machine.power_off()
    boot(check, machine, "the boot after it", "volumecrypt.measure")
    check.equal("with the same measurements slot 0 opens them again", opened_by(machine), all_volumes(0))
    machine.power_off()


def other_tpm(check, machine):
    check.section("Another TPM")
    shutil.rmtree(machine.folder / "tpm-state")
    boot(check, machine, "with another TPM",
         " ".join(f"systemd.mask=volumecrypt-sync@{volume}.service" for volume in all_volumes(None)))
    check.equal("the other keys open them", opened_by(machine), all_volumes(1))
    check.equal("the TPM's keys are ForeignTpm", report(machine), all_volumes("ForeignTpm"))
    machine.power_off()


def scenario(check, system):
    machine = Machine(system, UUID, tpm=True)
    disk = Disk(machine.folder / "data.img", {f"u-{name}": 64 for name in NAMES})
    machine.attach(disk)
    machine.inject(CONFIG, "---\n".join(DOCUMENT.format(name=name) for name in NAMES), mode=0o600)
    machine.inject(KEY, "the other key", mode=0o600)
    machine.inject("/etc/systemd/system/measure.service", MEASURE)
    machine.inject("/etc/systemd/system/volumecrypt@.service.d/measure.conf",
                   "[Unit]\nWants=measure.service\nAfter=measure.service\n")
    first_boot(check, machine)
    second_boot(check, machine)
    changed_boot(check, machine)
    other_tpm(check, machine)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A volume that the machine's TPM opens: sealed at the first boot, healed after a change of what was measured,
and refused by another TPM (TAP)."""
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
DEVICE, WHERE = "/dev/disk/by-partlabel/u-data", "/var/mnt/data"
# PCR 4: the boot manager, which SeaBIOS measures. PCR 7 is for machines with Secure Boot.
DOCUMENT = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
filesystem: {type: ext4}
mount: {required: true}
encryption:
  provider: luks2
  keys:
    - {slot: 0, tpm: {options: {pcrs: [0, 4]}}}
    - {slot: 1, static: {passphraseFile: /etc/volumecrypt/other.key}}
"""
KEY = "/etc/volumecrypt/other.key"
# Something else was booted: measured before the volume is opened.
MEASURE = """[Unit]
DefaultDependencies=no
Before=volumecrypt@u-data.service
After=dev-tpmrm0.device
Wants=dev-tpmrm0.device
ConditionKernelCommandLine=volumecrypt.measure
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/tpm2_pcrextend 4:sha256=1111111111111111111111111111111111111111111111111111111111111111
"""


def opened_by(machine):
    text = machine.output("journalctl -b -o json --no-pager VOLUME=u-data OPERATION=attach | tail -1")
    return int(json.loads(text)["SLOT"]) if text else None


def report(machine):
    text = machine.output("volumecryptctl tpm --json")
    return json.loads(text)["keys"][0]


def tokens(machine):
    header = json.loads(machine.output(f"cryptsetup luksDump --dump-json-metadata {DEVICE}"))
    return [token for token in header["tokens"].values() if token["type"] == "systemd-tpm2"]


def boot(check, machine, name, cmdline=""):
    machine.boot(cmdline)
    state = machine.wait_booted()
    check.fact(f"{name}: the system is running", state == "running",
               machine.run("systemctl --failed; journalctl -b -p warning --no-pager | tail -40").output)
    check.fact(f"{name}: the volume is mounted", machine.run(f"mountpoint -q {WHERE}").ok,
               machine.run("systemctl status volumecrypt@u-data.service").output)


def first_boot(check, machine):
    check.section("First boot: the key is sealed")
    boot(check, machine, "first boot")
    sealed = tokens(machine)
    check.equal("the header has one systemd-tpm2 token, for slot 0", [t["keyslots"] for t in sealed], [["0"]])
    check.equal("bound to the declared PCRs", sealed[0]["tpm2-pcrs"], [0, 4])
    check.equal("TpmPresent on the bus", get_property(machine, ROOT, "Manager", "TpmPresent"), True)
    check.fact("volumecryptctl tpm says that the TPM would open it", report(machine)["opens"])
    machine.output(f"echo precious > {WHERE}/file && mv {KEY} {KEY}.away && sync")
    machine.power_off()


def second_boot(check, machine):
    check.section("Second boot: the TPM alone")
    # The other key's file is away.
    boot(check, machine, "second boot")
    check.equal("opened by slot 0, the TPM's", opened_by(machine), 0)
    check.equal("what was stored is there", machine.output(f"cat {WHERE}/file"), "precious")
    machine.output(f"mv {KEY}.away {KEY} && sync")
    machine.power_off()


def changed_boot(check, machine):
    check.section("Something else is measured: the volume opens by its other key and is sealed anew")
    boot(check, machine, "changed boot", "volumecrypt.measure")
    check.equal("opened by slot 1, the static one", opened_by(machine), 1)
    journal = machine.output("journalctl -b --no-pager -u volumecrypt@u-data.service -u volumecrypt-sync@u-data.service")
    check.fact("the sync tells why it seals anew", "re-seal: PCR 4 changed" in journal, journal)
    healed = machine.wait_until("volumecryptctl tpm | grep 'slot 0: the TPM would open it'", 60)
    check.fact("after it the TPM would open the volume", healed.ok, healed.output)
    check.equal("there is still one token", len(tokens(machine)), 1)
    machine.power_off()
    boot(check, machine, "the boot after it", "volumecrypt.measure")
    check.equal("with the same measurements slot 0 opens it again", opened_by(machine), 0)
    machine.power_off()


def other_tpm(check, machine):
    check.section("Another TPM")
    shutil.rmtree(machine.folder / "tpm-state")
    boot(check, machine, "with another TPM", "systemd.mask=volumecrypt-sync@u-data.service")
    check.equal("the other key opens it", opened_by(machine), 1)
    found = report(machine)
    check.equal("the TPM's key is ForeignTpm", found["error"] and found["error"]["code"], "ForeignTpm")
    machine.power_off()


def scenario(check, system):
    machine = Machine(system, UUID, tpm=True)
    disk = Disk(machine.folder / "data.img", {"u-data": 96})
    machine.attach(disk)
    machine.inject(CONFIG, DOCUMENT, mode=0o600)
    machine.inject(KEY, "the other key", mode=0o600)
    machine.inject("/etc/systemd/system/measure.service", MEASURE)
    machine.inject("/etc/systemd/system/volumecrypt@u-data.service.d/measure.conf",
                   "[Unit]\nWants=measure.service\nAfter=measure.service\n")
    first_boot(check, machine)
    second_boot(check, machine)
    changed_boot(check, machine)
    other_tpm(check, machine)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

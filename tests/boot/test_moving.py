#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A LUKS1 volume of crypttab, with keys of systemd-cryptenroll and clevis, moves here: as volumecrypt-migrate(7) says
it, command by command. test_day.py leaves again (TAP)."""
import json
import sys

import checks
from applying import rest
from disk import Disk
from image import system_image
from manual import follow, forgotten
from moving import DEVICE, KEPT, PAGE, check_there, open_by_crypttab, slots, tokens
from test_tpm import MEASURE
from vm import Machine

UUID = "8a3f60d2-71c4-4e9b-b05d-e62c19f7a438"
OLD, CLEVIS = "the passphrase of old", "a key that clevis made"
ASKED = {"cryptsetup luksAddKey": [("Enter any existing passphrase", OLD)],
         "systemctl start systemd-cryptsetup@": [("passphrase for disk", OLD)]}


def opens(machine, slot, passphrase):
    return machine.run(f"printf %s '{passphrase}' | cryptsetup open --test-passphrase --key-slot {slot}"
                       f" --key-file - {DEVICE}").ok


def made_elsewhere(check, machine):
    check.section("A LUKS1 volume that crypttab opens")
    machine.output(f"printf %s '{OLD}' >/run/old; set -e; cryptsetup luksFormat --batch-mode --type luks1"
                   f" --pbkdf-force-iterations 1000 --key-file /run/old {DEVICE}; cryptsetup open --key-file /run/old"
                   f" {DEVICE} data; mkfs.xfs -q /dev/mapper/data; cryptsetup close data")
    outcome = open_by_crypttab(machine, OLD)
    check.fact("systemd opens it", outcome.ok, outcome.output)
    machine.write(KEPT, "precious")
    check_there(check, machine, "before", "data")


def from_luks1(check, machine):
    check.section("From LUKS1")
    follow(check, machine, PAGE, "From LUKS1", ASKED)
    check.equal("it is LUKS2", machine.run(f"cryptsetup isLuks --type luks2 {DEVICE}").code, 0)
    check_there(check, machine, "from LUKS1", "data")


def keys_of_others(check, machine):
    """systemd-cryptenroll's in slot 1, clevis' in slot 2 with its token 1."""
    done = machine.run(f"PASSWORD='{OLD}' systemd-cryptenroll --tpm2-device=auto {DEVICE}", 180)
    check.fact("systemd-cryptenroll adds a TPM key", done.ok, done.output)
    token = json.dumps({"type": "clevis", "keyslots": ["2"], "jwe": {"protected": "e30", "tag": ""}})
    machine.output(f"set -e; printf %s '{CLEVIS}' >/run/clevis; cryptsetup luksAddKey --batch-mode --pbkdf pbkdf2"
                   f" --pbkdf-force-iterations 1000 --key-slot 2 --key-file /run/old {DEVICE} /run/clevis;"
                   f" echo '{token}' | cryptsetup token import --token-id 1 {DEVICE}")
    check.equal("keys and tokens of others", (slots(machine), tokens(machine)),
                ([0, 1, 2], {0: "systemd-tpm2", 1: "clevis"}))


def from_crypttab(check, machine):
    check.section("From crypttab")
    follow(check, machine, PAGE, "From crypttab", ASKED)
    check_there(check, machine, "from crypttab", "luks2-u-data")
    check.equal("the declared keys were added to the others", slots(machine), [0, 1, 2, 6, 7])
    check.fact("of which each still opens it", opens(machine, 0, OLD) and opens(machine, 2, CLEVIS))
    left = machine.run("cat /etc/crypttab; grep mapper /etc/fstab").output
    check.equal("nothing of it is in crypttab and fstab", left, "")


def from_cryptenroll_and_clevis(check, machine):
    check.section("From systemd-cryptenroll")
    follow(check, machine, PAGE, "From systemd-cryptenroll")
    check.equal("the former TPM key is gone, the declared one is not", slots(machine), [0, 2, 6, 7])
    told = machine.output("volumecryptctl tpm u-data")
    check.fact("and would open the volume", "the TPM would open it" in told, told)
    check.section("From clevis")
    follow(check, machine, PAGE, "From clevis")
    check.equal("its key is gone", slots(machine), [0, 6, 7])
    check.fact("and its token", "clevis" not in tokens(machine).values(), lambda: tokens(machine))
    rest(machine)
    plan = machine.run("volumecryptctl plan u-data", 300)
    check.equal("nothing is left to do", plan.code, 0)


def moved(check, machine):
    check.section("The next boot")
    machine.boot()
    state = machine.wait_booted()
    check.fact("the system is running", state == "running",
               lambda: machine.run("systemctl --failed; journalctl -b -p warning --no-pager | tail -40").output)
    check_there(check, machine, "the next boot", "luks2-u-data")
    told = machine.journal("VOLUME=u-data OPERATION=attach")
    check.fact("it was opened by the TPM key", "by key slot 6" in told, told)


def scenario(check, system):
    machine = Machine(system, UUID, tpm=True)
    machine.attach(Disk(machine.folder / "data.img", {"u-data": 340}))
    machine.inject("/etc/systemd/system/measure.service", MEASURE)
    machine.inject("/etc/systemd/system/volumecrypt@.service.d/measure.conf",
                   "[Unit]\nWants=measure.service\nAfter=measure.service\n")
    machine.boot()
    machine.wait_booted()
    machine.output("systemctl start measure.service")
    made_elsewhere(check, machine)
    from_luks1(check, machine)
    keys_of_others(check, machine)
    from_crypttab(check, machine)
    from_cryptenroll_and_clevis(check, machine)
    machine.power_off()
    moved(check, machine)
    check.equal("nothing that the page says to do was left out", forgotten(PAGE, "MOVING HERE"), [])
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

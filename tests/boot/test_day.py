#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A day of an administrator, by the commands that the manual names: from a first volume to leaving again (TAP).
Each step is a function that leaves u-data unlocked and mounted, with what was stored."""
import re
import sys
import time

import checks
import other_machine
from applying import applies, rest
from disk import Disk
from image import system_image
from manual import at_terminal, follow, forgotten
from moving import (DEVICE, KEPT, PAGE, WHERE, back_to_crypttab, check_booted_by_crypttab, check_there, slots,
                    to_nothing)
from test_tpm import MEASURE
from vm import Machine

UUID = "c15e7b90-4d28-4f6a-93be-07a8d2f4c163"
DOCUMENT, KEY_FILE = "/etc/volumecrypt/data.yaml", "/etc/volumecrypt/keys/data"
INNER = f"{WHERE}/inner"
ROOM = 60  # MiB behind the first partition
RECOVERY_KEY = "[cbdefghijklnrtuv]{8}(-[cbdefghijklnrtuv]{8}){7}"
# Below the other one, and smaller: ext4.
NESTED = f"""apiVersion: v1alpha1
kind: UserVolumeConfig
name: inner
filesystem: {{type: ext4}}
mount: {{where: {INNER}}}
encryption:
  keys:
    - {{slot: 0, nodeID: {{}}}}
"""
# With a TPM key that the boot depends on, and one for people.
SEALED = f"""apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
mount: {{required: true}}
encryption:
  keys:
    - {{slot: 0, tpm: {{}}}}
    - {{slot: 1, static: {{passphraseFile: {KEY_FILE}}}}}
"""
# Writes until it is told that the volume has grown; then every line has to be there.
WRITER = f"""exec 9>{WHERE}/held; n=0
until test -e /run/grown; do n=$((n + 1)); echo $n >&9 || exit 1; sleep 0.1; done
sync {WHERE}/held && seq $n | cmp - {WHERE}/held"""


class Day:
    """The machine, and what somebody would have written down."""

    def __init__(self, check, system):
        self.check = check
        self.machine = Machine(system, UUID, tpm=True)
        self.recovery_key, self.recovery_slot = "", -1

    def does(self, command, seconds=400):
        """What a command that must succeed says; 75 is "try again later", and an emulated machine is slow to sync."""
        deadline = time.monotonic() + seconds
        while (outcome := self.machine.run(command, 300)).code == 75 and time.monotonic() < deadline:
            time.sleep(2)
        self.check.fact(f"`{command}`", outcome.ok, f"exit {outcome.code}\n{outcome.output}")
        return outcome.output

    def answers(self, command, *dialogue):
        """The same, with somebody who answers."""
        outcome = at_terminal(self.machine, command, dialogue)
        self.check.fact(f"`{command}`", outcome.ok, f"exit {outcome.code}\n{outcome.output}")
        return outcome.output

    def fails(self, command, *words):
        """A command that must not succeed, and say why."""
        outcome = self.machine.run(command, 300)
        self.check.fact(f"`{command}` fails and says {', '.join(words)}",
                        not outcome.ok and all(word in outcome.output for word in words),
                        f"exit {outcome.code}\n{outcome.output}")

    def applies(self, works=True):
        """`volumecryptctl apply`, which must do what plan foresees."""
        return applies(self.check, self.machine, works)

    def opens(self, slot, passphrase, device=DEVICE):
        return self.machine.run(f"printf %s '{passphrase}' | cryptsetup open --test-passphrase --key-slot {slot}"
                                f" --key-file - {device}").ok

    @property
    def uuid(self):
        """The first part of this machine's nodeID keys."""
        return self.machine.output("cat /sys/class/dmi/id/product_uuid")

    def is_mounted(self, where):
        return self.machine.run(f"mountpoint -q {where}").ok

    def there(self, name):
        check_there(self.check, self.machine, name, "luks2-u-data")


def first_encryption(day):
    day.machine.write(KEY_FILE, "the first passphrase", mode="0600")
    day.machine.output("ln -s vdb /dev/sdb")  # as the page calls it
    shown = follow(day.check, day.machine, "volumecrypt.7", "A first volume",
                   {"volumecryptctl add-key --recovery": [("Type the recovery key: ", [RECOVERY_KEY])]})
    day.recovery_key = re.search(RECOVERY_KEY, shown).group(0)
    day.recovery_slot = int(re.search(r"the recovery key is in slot (\d+)", shown).group(1))
    day.machine.write(KEPT, "precious")
    day.there("a first volume")
    day.check.fact("its passphrase opens it", day.opens(1, "the first passphrase"))


def recovery_key(day):
    day.does("volumecryptctl lock u-data")
    day.check.fact("it is not mounted", not day.is_mounted(WHERE))
    day.answers("volumecryptctl unlock --recovery u-data", ("Recovery key of u-data: ", day.recovery_key.upper()))
    day.there("unlocked by the recovery key")


def rotation(day):
    day.machine.write(KEY_FILE, "the second passphrase", mode="0600")
    told = day.applies()
    day.check.fact("apply has replaced slot 1", "u-data\tkeys\treplaced slot 1 " in told, told)
    day.check.fact("the new passphrase opens it, the old one does not",
                   day.opens(1, "the second passphrase") and not day.opens(1, "the first passphrase"))
    day.there("with another passphrase")


def typo(day):
    right = day.machine.read(DOCUMENT).decode()
    line = right.splitlines().index("encryption:") + 1
    day.machine.write(DOCUMENT, right.replace("encryption:", "encryptoin:"), mode="0600")
    before = day.machine.output(f"head -c 1M {DEVICE} | sha256sum")
    for command in ("check", "apply", "reload"):
        day.fails(f"volumecryptctl {command}", f"data.yaml:{line}:1", "encryptoin")
    day.there("with a typo in its document")
    day.check.equal("and its header is as it was", day.machine.output(f"head -c 1M {DEVICE} | sha256sum"), before)
    day.machine.write(DOCUMENT, right, mode="0600")
    day.does("volumecryptctl check")


def locked_and_apply(day):
    day.does("volumecryptctl lock u-data")
    told = day.applies()
    stays = re.search(r"(?<!un)locked", told) is not None
    day.check.fact("apply tells of a volume that was locked", "u-data" in told, told)
    day.check.equal("and does what it says", day.is_mounted(WHERE), not stays)
    day.does("volumecryptctl unlock u-data")
    day.there("unlocked again")


def nested_mounts(day):
    day.machine.write("/etc/volumecrypt/inner.yaml", NESTED, mode="0600")
    day.applies()
    day.check.fact("a volume is mounted inside the other one", day.is_mounted(INNER))
    day.machine.write(f"{INNER}/kept", "inside")
    day.does("volumecryptctl lock u-data")
    day.check.fact("with the outer one locked neither is mounted", not day.is_mounted(INNER) and not day.is_mounted(WHERE))
    day.does("volumecryptctl unlock u-data")
    day.there("the outer one")
    day.machine.wait_until(f"mountpoint -q {INNER}")
    day.check.equal("and the inner one", day.machine.run(f"cat {INNER}/kept").output, "inside")


def rename(day):
    """The inner one, which only a nodeID key opens, as volumecrypt(7) says under Renaming a volume."""
    machine, device = day.machine, "/dev/disk/by-partlabel/u-within"
    machine.output("rm /etc/volumecrypt/inner.yaml")
    machine.write("/etc/volumecrypt/within.yaml", NESTED.replace("inner", "within", 1), mode="0600")
    day.does("sfdisk --part-label /dev/sdb 2 u-within && udevadm settle")
    day.applies()
    found = machine.run(f"findmnt -no SOURCE {INNER}; cat {INNER}/kept").output
    day.check.equal("it is mounted under its new name", found, "/dev/mapper/luks2-u-within\ninside")
    day.check.fact("its former name's key is made anew", day.opens(0, day.uuid + "u-within", device)
                   and not day.opens(0, day.uuid + "u-inner", device))
    day.does("volumecryptctl lock u-within && volumecryptctl unlock u-within")
    day.check.equal("which opens it", machine.run(f"cat {INNER}/kept").output, "inside")
    day.there("with a renamed one in it")


def grow_online(day):
    """As volumecrypt(7) says under Larger partitions, while a file is held open and written to."""
    machine, units = day.machine, "systemctl show -P InvocationID volumecrypt@u-data.service var-mnt-data.mount"
    size = f"df --output=size -B1M {WHERE} | tail -1"
    before, invocations = int(machine.output(size)), machine.output(units)
    written = machine.start(WRITER, 600)
    machine.wait_until(f"test -s {WHERE}/held")
    day.does("echo ', +' | sfdisk --no-reread -N 1 /dev/vdb && partx -u --nr 1 /dev/vdb && udevadm settle")
    told = machine.run("volumecryptctl plan u-data", 300)
    day.check.fact(f"plan says that {ROOM} MiB are not used", told.code == 0 and re.search(
        rf"{ROOM} MiB .*not used.*`volumecryptctl grow u-data`", told.output), f"exit {told.code}\n{told.output}")
    day.does("volumecryptctl grow u-data")
    after = int(machine.output(size))
    day.check.fact("the file system has them", after >= before + ROOM - 5, f"{before} -> {after}")
    told = day.does("volumecryptctl plan u-data")
    day.check.fact("plan says nothing of them any more", "not used" not in told, told)
    machine.output("touch /run/grown")
    outcome = written()
    day.check.fact("what was written meanwhile is there", outcome.ok, outcome.output)
    day.check.equal("and nothing was stopped for it", machine.output(units), invocations)
    day.there("a larger one")


def moved_disk(day):
    """As volumecrypt(7) says under A disk of another machine, by what hints and status name."""
    machine, volume, device = day.machine, other_machine.VOLUME, other_machine.DEVICE
    others = {0: other_machine.UUID + volume, 1: other_machine.PASSPHRASE}
    other_machine.make(machine)
    mine = "a passphrase of this machine"
    machine.write("/etc/volumecrypt/moved.yaml", other_machine.DOCUMENT % (5, mine), mode="0600")
    told = day.applies(works=False)
    day.check.fact("apply says that another machine made it", "another machine" in told, told)
    outcome = machine.run(f"volumecryptctl unlock {volume}", 300)
    hinted = re.search(r"recovery key.*`(volumecryptctl unlock [^`]+)`", outcome.output)
    if not day.check.fact("so does unlock, and how a recovery key opens it",
                          outcome.code == 1 and "another machine" in outcome.output and hinted, outcome.output):
        return
    day.answers(hinted[1], (f"for {volume}: ", other_machine.RECOVERY))
    kept = machine.run(f"cat {other_machine.WHERE}/kept").output
    day.check.equal("what is on it is there", kept, "precious")
    told = machine.run(f"volumecryptctl status {volume}").output
    adopting = f"volumecryptctl sync --adopt {volume}"
    day.check.fact("status names the other machine, and how to make it this one's",
                   "another machine" in told and adopting in told, told)
    day.applies()
    day.check.fact("apply has taken none of its keys",
                   all(day.opens(slot, key, device) for slot, key in others.items()))
    day.does(adopting)
    day.check.fact("once it is this machine's, its keys are the declared ones",
                   day.opens(0, day.uuid + volume, device) and 1 not in slots(machine, device))
    day.does(f"volumecryptctl lock {volume} && volumecryptctl unlock {volume}")
    kept = machine.run(f"cat {other_machine.WHERE}/kept").output
    day.check.equal("which open it", kept, "precious")
    machine.output("rm /etc/volumecrypt/moved.yaml")
    day.applies()
    day.check.fact("it leaves", not day.is_mounted(other_machine.WHERE))


def tpm_key(day):
    day.machine.write(DOCUMENT, SEALED, mode="0600")
    day.machine.output("rm /etc/volumecrypt/within.yaml")
    day.applies()
    day.check.fact("the inner volume leaves", not day.is_mounted(INNER)
                   and not day.machine.run("ls /dev/mapper/luks2-u-[iw]*").ok)
    told = day.does("volumecryptctl tpm u-data")
    day.check.fact("the TPM would open it", "the TPM would open it" in told, told)
    day.there("with a TPM key")


# What is done while the machine runs.
STEPS = [first_encryption, recovery_key, rotation, typo, locked_and_apply, nested_mounts, rename, tpm_key, grow_online,
         moved_disk]


def emergency(day):
    """Something else is booted, and the file with the passphrase is not there."""
    machine = day.machine
    machine.output(f"mv {KEY_FILE} {KEY_FILE}.away; sync")
    machine.power_off()
    machine.boot("volumecrypt.measure")
    reached = machine.wait_until("systemctl is-active emergency.target")
    day.check.fact("the boot ends in the emergency shell", reached.ok,
                   lambda: machine.run("systemctl list-jobs").output)
    told = machine.journal("-u volumecrypt@u-data.service")
    day.check.fact("the journal says that PCR 7 changed", "PCR 7 changed" in told, told)
    day.answers("volumecryptctl unlock --recovery u-data", ("Recovery key of u-data: ", day.recovery_key))
    day.does("systemctl default")
    state = machine.wait_booted()
    day.check.fact("the boot went on", machine.run("systemctl is-active multi-user.target").ok, state)
    day.there("after the emergency")
    machine.output(f"mv {KEY_FILE}.away {KEY_FILE}")
    day.applies()
    told = day.does("volumecryptctl tpm u-data")
    day.check.fact("the TPM would open it again", "the TPM would open it" in told, told)


def leaving(day):
    machine = day.machine
    back_to_crypttab(day.check, machine, [1, day.recovery_slot])
    to_nothing(day.check, machine)
    day.check.equal("nothing that the page says to do was left out", forgotten(PAGE, "LEAVING"), [])
    machine.power_off()
    machine.boot()
    check_booted_by_crypttab(day.check, machine)
    units = machine.run("systemctl list-units --all --plain --no-legend 'volumecrypt*' | grep -v not-found").output
    day.check.equal("no unit of VolumeCrypt is there", units, "")


def scenario(check, system):
    day = Day(check, system)
    machine = day.machine
    machine.attach(Disk(machine.folder / "data.img", {"any": 340, "u-inner": 40}, room={"any": ROOM}))
    machine.attach(Disk(machine.folder / "moved.img", {other_machine.VOLUME: 64}))
    machine.inject("/etc/systemd/system/measure.service", MEASURE)
    machine.inject("/etc/systemd/system/volumecrypt@.service.d/measure.conf",
                   "[Unit]\nWants=measure.service\nAfter=measure.service\n")
    machine.boot()
    machine.wait_booted()
    for step in [*STEPS, emergency, leaving]:
        check.section(step.__name__.replace("_", " "))
        rest(machine)
        step(day)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

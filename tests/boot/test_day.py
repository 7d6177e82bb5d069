#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A day of an administrator, by the commands that the manual names: from a first volume to leaving again (TAP).
Each step is a function that leaves u-data unlocked and mounted, with what was stored."""
import re
import sys
import time

import checks
from disk import Disk
from image import system_image
from manual import at_terminal, follow
from moving import DEVICE, KEPT, WHERE, back_to_crypttab, check_booted_by_crypttab, check_there, slots
from test_tpm import MEASURE
from vm import Machine

UUID = "c15e7b90-4d28-4f6a-93be-07a8d2f4c163"
DOCUMENT, KEY_FILE = "/etc/volumecrypt/data.yaml", "/etc/volumecrypt/keys/data"
INNER = f"{WHERE}/inner"
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


class Day:
    """The machine, and what somebody would have written down."""

    def __init__(self, check, system):
        self.check = check
        self.machine = Machine(system, UUID, tpm=True)
        self.recovery_key = ""
        self.recovery_slot = self.page_slot = -1

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

    def opens(self, slot, passphrase):
        return self.machine.run(f"printf %s '{passphrase}' | cryptsetup open --test-passphrase --key-slot {slot}"
                                f" --key-file - {DEVICE}").ok

    def is_mounted(self, where):
        return self.machine.run(f"mountpoint -q {where}").ok

    def there(self, name):
        check_there(self.check, self.machine, name, "luks2-u-data")


def first_encryption(day):
    day.machine.write(KEY_FILE, "the first passphrase", mode="0600")
    day.machine.output("ln -s vdb /dev/sdb")  # as the page calls it
    follow(day.check, day.machine, "volumecrypt.7", "A first volume",
           {"volumecryptctl add-key --recovery": [("Type the recovery key: ", [RECOVERY_KEY])]})
    day.page_slot = slots(day.machine)[-1]
    day.machine.write(KEPT, "precious")
    day.there("a first volume")
    day.check.fact("its passphrase opens it", day.opens(1, "the first passphrase"))


def recovery_key(day):
    shown = day.answers("volumecryptctl add-key --recovery u-data", ("Type the recovery key: ", [RECOVERY_KEY]))
    day.recovery_key = re.search(RECOVERY_KEY, shown).group(0)
    day.recovery_slot = int(re.search(r"the recovery key is in slot (\d+)", shown).group(1))
    day.does("volumecryptctl lock u-data")
    day.check.fact("it is not mounted", not day.is_mounted(WHERE))
    day.answers("volumecryptctl unlock --recovery u-data", ("Recovery key of u-data: ", day.recovery_key.upper()))
    day.there("unlocked by the recovery key")


def rotation(day):
    day.machine.write(KEY_FILE, "the second passphrase", mode="0600")
    day.does("volumecryptctl apply")
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
    day.does("volumecryptctl apply")
    day.there("without the typo")


def locked_and_apply(day):
    day.does("volumecryptctl lock u-data")
    # At a terminal it tells.
    told = day.answers("volumecryptctl apply")
    stays = re.search(r"(?<!un)locked", told) is not None
    day.check.fact("apply tells of a volume that was locked", "u-data" in told, told)
    day.check.equal("and does what it says", day.is_mounted(WHERE), not stays)
    day.does("volumecryptctl unlock u-data")
    day.there("unlocked again")


def nested_mounts(day):
    day.machine.write("/etc/volumecrypt/inner.yaml", NESTED, mode="0600")
    day.does("volumecryptctl apply")
    day.check.fact("a volume is mounted inside the other one", day.is_mounted(INNER))
    day.machine.write(f"{INNER}/kept", "inside")
    day.does("volumecryptctl lock u-data")
    day.check.fact("with the outer one locked neither is mounted", not day.is_mounted(INNER) and not day.is_mounted(WHERE))
    day.does("volumecryptctl unlock u-data")
    day.there("the outer one")
    day.does("volumecryptctl apply")
    day.check.equal("and the inner one", day.machine.run(f"cat {INNER}/kept").output, "inside")
    day.machine.output("rm /etc/volumecrypt/inner.yaml")
    day.does("volumecryptctl apply")
    day.check.fact("it leaves", not day.is_mounted(INNER) and not day.machine.run("test -e /dev/mapper/luks2-u-inner").ok)
    day.there("without the inner one")


def tpm_key(day):
    day.machine.write(DOCUMENT, SEALED, mode="0600")
    day.does("volumecryptctl apply")
    told = day.does("volumecryptctl tpm u-data")
    day.check.fact("the TPM would open it", "the TPM would open it" in told, told)
    day.there("with a TPM key")


# What is done while the machine runs.
STEPS = [first_encryption, recovery_key, rotation, typo, locked_and_apply, nested_mounts, tpm_key]


def emergency(day):
    """Something else is booted, and the file with the passphrase is not there."""
    machine = day.machine
    machine.output(f"mv {KEY_FILE} {KEY_FILE}.away; sync")
    machine.power_off()
    machine.boot("volumecrypt.measure")
    reached = machine.wait_until("systemctl is-active emergency.target", 300)
    day.check.fact("the boot ends in the emergency shell", reached.ok, machine.run("systemctl list-jobs").output)
    told = machine.run("journalctl -b --no-pager -u volumecrypt@u-data.service").output
    day.check.fact("the journal says that PCR 7 changed", "PCR 7 changed" in told, told)
    day.answers("volumecryptctl unlock --recovery u-data", ("Recovery key of u-data: ", day.recovery_key))
    day.does("systemctl default")
    state = machine.wait_booted()
    day.check.fact("the boot went on", machine.run("systemctl is-active multi-user.target").ok, state)
    day.there("after the emergency")
    machine.output(f"mv {KEY_FILE}.away {KEY_FILE}")
    day.does("volumecryptctl apply")
    told = day.does("volumecryptctl tpm u-data")
    day.check.fact("the TPM would open it again", "the TPM would open it" in told, told)


def leaving(day):
    back_to_crypttab(day.check, day.machine, sorted([1, day.page_slot, day.recovery_slot]))
    day.machine.power_off()
    day.machine.boot()
    check_booted_by_crypttab(day.check, day.machine)


def scenario(check, system):
    day = Day(check, system)
    machine = day.machine
    machine.attach(Disk(machine.folder / "data.img", {"any": 340, "u-inner": 40}))
    machine.inject("/etc/systemd/system/measure.service", MEASURE)
    machine.inject("/etc/systemd/system/volumecrypt@.service.d/measure.conf",
                   "[Unit]\nWants=measure.service\nAfter=measure.service\n")
    machine.boot()
    machine.wait_booted()
    for step in [*STEPS, emergency, leaving]:
        check.section(step.__name__.replace("_", " "))
        step(day)
    machine.power_off()
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

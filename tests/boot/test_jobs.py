#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain volumes with data become encrypted, and get a new volume key, by jobs of the service in their sandbox; the power
goes in the middle of each. Then cryptsetup alone opens them (TAP)."""
import sys
import time

import checks
from disk import Disk
from image import system_image
from vm import Machine

UUID = "7c1e5b90-4f2d-4a86-93be-0d58e6a7c213"
CONFIG = "/etc/volumecrypt/volumes.yaml"
WHOLE, CUT = "u-whole", "u-cut"
KEYS = "encryption:\n  keys:\n    - {slot: 0, nodeID: {}}\n    - {slot: 1, static: {passphrase: the word}}\n"


def config(encrypted):
    return "---\n".join(f"apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: {name[2:]}\nfilesystem: {{type: ext4}}\n"
                        + (KEYS if encrypted else "") for name in (WHOLE, CUT))


def where(name):
    return f"/var/mnt/{name[2:]}"


def device(name):
    return f"/dev/disk/by-partlabel/{name}"


def state(machine, name):
    return machine.output(f"volumecryptctl status {name} | sed -n s/^State=//p")


def fill(machine, name):
    """Files of many sizes, and what they are."""
    machine.output(f"cd {where(name)} && cp -a /usr/share/doc /usr/bin/b* . && find . -type f -exec sha256sum {{}} + "
                   f"| sort > /root/{name}.sums && sync")


def check_data(check, machine, name, when):
    mounted = machine.wait_until(f"mountpoint -q {where(name)}")
    check.fact(f"{when}: {name} is mounted", mounted.ok, lambda: machine.journal(f"-u volumecrypt@{name}.service"))
    same = machine.run(f"cd {where(name)} && sha256sum --quiet -c /root/{name}.sums", 300)
    check.fact(f"{when}: its files are what they were", same.ok, same.output)


def begin_and_cut(machine, command):
    """The power goes while the job writes; how far it was."""
    job = machine.output(f"{command} --no-wait")
    done = 0
    for _ in range(600):
        done = int(machine.output("busctl get-property org.example.VolumeCrypt"
                                  f" /org/example/VolumeCrypt/job/{job} org.example.VolumeCrypt.Job BytesDone").split()[1])
        if done > 0:
            break
        time.sleep(0.2)
    machine.cut_power()
    return done


def succeeds(check, machine, command):
    outcome = machine.run(command, 600)
    check.fact(f"`{command}`", outcome.ok, outcome.output)


def encrypt(check, machine):
    check.section("Plain volumes are declared encrypted")
    machine.wait_booted()
    for name in (WHOLE, CUT):
        fill(machine, name)
    machine.write(CONFIG, config(True), mode="0600")
    machine.output("volumecryptctl reload")
    used = machine.run(f"volumecryptctl encrypt {WHOLE}")
    check.fact("one that is mounted is refused", not used.ok and "in use" in used.output, used.output)
    machine.output(f"umount {where(WHOLE)} {where(CUT)}")
    succeeds(check, machine, f"volumecryptctl encrypt {WHOLE}")
    succeeds(check, machine, f"volumecryptctl unlock {WHOLE}")
    check_data(check, machine, WHOLE, "encrypted")
    done = begin_and_cut(machine, f"volumecryptctl encrypt {CUT} --rate=4000000")
    check.fact("the power goes while the other is being encrypted", done > 0)


def encrypt_on(check, machine):
    machine.boot()
    machine.wait_booted()
    check_data(check, machine, WHOLE, "the next boot")
    check_data(check, machine, CUT, "half encrypted")
    check.equal("its state", state(machine, CUT), "reencrypting")
    machine.output(f"cd {where(CUT)} && echo more > more && sha256sum ./more >> /root/{CUT}.sums && sync")
    succeeds(check, machine, f"volumecryptctl lock {CUT}")
    succeeds(check, machine, f"volumecryptctl encrypt {CUT}")
    succeeds(check, machine, f"volumecryptctl unlock {CUT}")
    check_data(check, machine, CUT, "encrypted after that")
    check.equal("its state is that of others", state(machine, CUT), "unlocked")


def new_key(check, machine):
    check.section("A new volume key")
    for name in (WHOLE, CUT):
        succeeds(check, machine, f"volumecryptctl backup-header {name} /root/{name}.header")
        succeeds(check, machine, f"volumecryptctl lock {name}")
    succeeds(check, machine, f"volumecryptctl rotate-volume-key {WHOLE}")
    succeeds(check, machine, f"volumecryptctl unlock {WHOLE}")
    check_data(check, machine, WHOLE, "under the new key")
    done = begin_and_cut(machine, f"volumecryptctl rotate-volume-key {CUT} --rate=4000000")
    check.fact("the power goes while the other gets one", done > 0)
    machine.boot()
    machine.wait_booted()
    check_data(check, machine, WHOLE, "the boot after it")
    check_data(check, machine, CUT, "half under the new key")
    check.equal("its state", state(machine, CUT), "reencrypting")
    succeeds(check, machine, f"volumecryptctl lock {CUT}")
    succeeds(check, machine, f"volumecryptctl rotate-volume-key {CUT}")
    old = machine.run(f"volumecryptctl restore-header {CUT} /root/{CUT}.header")
    check.fact("the header of before is refused", not old.ok and "header backup" in old.output, old.output)
    machine.power_off()


def cryptsetup_alone(check, machine):
    check.section("Without us")
    machine.boot()
    machine.wait_booted()
    for name in (WHOLE, CUT):
        check_data(check, machine, name, "at the end")
        succeeds(check, machine, f"volumecryptctl lock {name}")
        opened = machine.run(f"printf %s 'the word' | cryptsetup open --key-slot 1 --key-file - {device(name)} alone"
                             f" && mount /dev/mapper/alone /mnt && cd /mnt && sha256sum --quiet -c /root/{name}.sums;"
                             f" code=$?; cd /; umount /mnt; cryptsetup close alone; exit $code", 300)
        check.fact(f"cryptsetup opens {name}, and its files are what they were", opened.ok, opened.output)


def scenario(check, system):
    machine = Machine(system, UUID)
    machine.attach(Disk(machine.folder / "data.img", {WHOLE: 192, CUT: 192}))
    machine.inject(CONFIG, config(False), mode=0o600)
    machine.boot()
    encrypt(check, machine)
    encrypt_on(check, machine)
    new_key(check, machine)
    cryptsetup_alone(check, machine)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

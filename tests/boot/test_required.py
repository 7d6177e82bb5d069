#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A required volume that cannot be unlocked ends the boot in emergency mode, as with fstab (TAP)."""
import sys

import checks
from disk import Disk, luks_image
from image import system_image
from vm import Machine

UUID = "4b8d6f12-93ca-4e57-a0d4-6f1e83c2597b"
CONFIG = """\
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
mount: {required: true}
encryption:
  keys:
    - {slot: 0, static: {passphrase: not the key of this header}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: plain
mount: {required: true}
filesystem: {type: ext4}
"""


def scenario(check, system):
    machine = Machine(system, UUID)
    disk = Disk(machine.folder / "data.img", {"u-data": 40, "u-plain": 64})
    disk.fill("u-data", luks_image(machine.folder / "luks", "the right key"))
    header = disk.read("u-data")
    machine.attach(disk)
    machine.inject("/etc/volumecrypt/volumes.yaml", CONFIG, mode=0o600)
    machine.boot()
    reached = machine.wait_until("systemctl is-active emergency.target")
    check.fact("emergency.target is reached", reached.ok, lambda: machine.run("systemctl list-jobs").output)
    check.fact("multi-user.target is not", not machine.run("systemctl is-active multi-user.target").ok)
    check.fact("local-fs.target is not", not machine.run("systemctl is-active local-fs.target").ok)
    journal = machine.journal("-u volumecrypt@u-data.service")
    check.fact("the journal names the volume and what is wrong", "u-data" in journal and "key" in journal, journal)
    plain = machine.wait_until("mountpoint -q /var/mnt/plain")
    check.fact("the other volume, unencrypted, was formatted and mounted", plain.ok,
               lambda: machine.run("systemctl status volumecrypt@u-plain.service var-mnt-plain.mount").output)
    check.fact("the disk with the wrong key was not written to", disk.read("u-data") == header)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that comes and goes, partitions that grow in use, and a user volume that cannot be unlocked: none disturbs;
and what apply does with a volume that was locked by Lock, or has other mount options (TAP)."""
import json
import os
import re
import sys

import checks
import growing
from disk import Disk, luks_image
from image import system_image
from vm import Machine

UUID = "e19b4c07-2d85-4f6a-8e3c-5a70d1f4b692"
CYCLES = int(os.environ.get("VOLUMECRYPT_TEST_CYCLES", "5"))  # more for runs by hand
CONFIG = """\
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
encryption:
  keys:
    - {slot: 0, static: {passphrase: not the key of this header}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: stick
volume: {device: /dev/disk/by-id/virtio-stick-part1}
mount: {deviceTimeout: 5s, options: []}
filesystem: {type: ext4}
encryption:
  keys:
    - {slot: 0, static: {passphrase: the key of the stick}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: label
mount: {deviceTimeout: 5s}
filesystem: {type: ext4}
encryption:
  keys:
    - {slot: 0, static: {passphrase: the key of the labelled one}}
"""
WHERE, MAPPING = "/var/mnt/stick", "/dev/mapper/luks2-u-stick"
# What must not be there any more when the stick is gone.
LEFT_OVER = (f"! mountpoint -q {WHERE} && ! test -e {MAPPING} && ! dmsetup info luks2-u-stick >/dev/null 2>&1"
             " && ! pgrep -f volumecrypt-engine")


def check_wrong_key(check, machine):
    check.section("A wrong key, required: false")
    machine.wait_booted()
    check.fact("multi-user.target is reached", machine.run("systemctl is-active multi-user.target").ok,
               lambda: machine.run("systemctl list-jobs; systemctl --failed").output)
    check.fact("local-fs.target is reached", machine.run("systemctl is-active local-fs.target").ok)
    check.fact("no emergency", not machine.run("systemctl is-active emergency.target").ok)
    check.fact("u-data stays locked", not machine.run("test -e /dev/mapper/luks2-u-data").ok)
    # The boot does not wait for it: it may still be trying.
    status = machine.wait_until("volumecryptctl status u-data | tee /run/status | grep NoUsableKey")
    check.fact("volumecryptctl status shows why", status.ok, lambda: machine.run("cat /run/status").output)
    status = machine.run("volumecryptctl status u-data --json")
    check.fact("status --json says locked", json.loads(status.output).get("state") == "locked", status.output)


def check_stopped_sync(check, machine):
    """As an unplugged disk does it: at any moment, also before the engine has begun to listen."""
    failed = machine.output("for wait in 0.0 0.1 0.2 0.3 0.5 0.8; do systemctl stop $UNIT; systemctl start --no-block $UNIT;"
                            " sleep $wait; systemctl stop $UNIT; systemctl is-failed -q $UNIT && echo $wait;"
                            " systemctl reset-failed $UNIT; done 2>/dev/null; systemctl start $UNIT"
                            .replace("$UNIT", "volumecrypt-sync@u-stick.service"))
    check.equal("a sync that is stopped as it starts is no failed unit", failed, "")


def check_locked(check, machine):
    machine.output("volumecryptctl lock u-stick && systemctl restart volumecrypt.service")
    for command, step in (("plan", "keep\t-\tvolume"), ("apply", "keep")):
        told = machine.run(f"volumecryptctl {command} 2>&1 | grep ^u-stick").output.strip()
        check.equal(f"the service that was restarted knows of Lock: {command}", told,
                    f"u-stick\t{step}\tstays locked, as Lock was called")
    check.fact("apply does not unlock it", not machine.run(f"test -e {MAPPING}").ok)
    machine.output("volumecryptctl unlock u-stick")


def check_mount_options(check, machine):
    def declare(options):
        machine.output(f"sed -i 's/options: .*]/options: [{options}]/' /etc/volumecrypt/volumes.yaml")

    def told(command):
        # But for keys that stay.
        lines = machine.run(f"volumecryptctl {command} 2>&1 | grep u-stick", 300).output.splitlines()
        return "\n".join(line for line in lines if not re.search(r"\tkeep\t\d", line))

    def mounted(what):
        return machine.output(f"findmnt -n -o {what} {WHERE}")

    writer = machine.run(f"systemd-run --unit=writer sh -c 'exec 3>>{WHERE}/held; sleep 600'"
                         f" && until test -e {WHERE}/held; do sleep 0.2; done")
    check.fact("the volume is in use", writer.ok, writer.output)
    before = mounted("ID")
    declare("noexec")
    check.equal("plan says that it will be remounted", told("plan"),
                "u-stick\tremount\t-\tvolume\tit will be remounted with noexec")
    check.equal("apply remounts it", told("apply"), "u-stick\tremount\tremounted with noexec")
    options = mounted("OPTIONS")
    check.fact("it has the option, and the others", {"rw", "noexec", "nodev", "nosuid"} <= set(options.split(",")),
               options)
    check.equal("it was in use all the time", mounted("ID"), before)
    check.equal("there is nothing left to do", told("plan"), "")
    declare("")
    machine.output("systemctl daemon-reload")
    check.equal("a reload by somebody else hides no change", told("plan"),
                "u-stick\tremount\t-\tvolume\tit will be remounted with exec")
    check.equal("apply takes the option away", told("apply"), "u-stick\tremount\tremounted with exec")
    check.fact("it is gone", "noexec" not in mounted("OPTIONS"), mounted("OPTIONS"))
    declare("ro")
    refused = told("apply")
    check.fact("a remount that fails is told", "could not be remounted with ro" in refused, refused)
    check.fact("and changes nothing", mounted("OPTIONS").startswith("rw"), mounted("OPTIONS"))
    declare("")
    told("apply")
    machine.output("systemctl stop writer.service")


def cycle(check, machine, disk, number):
    machine.plug("stick", disk)
    mounted = machine.wait_until(f"mountpoint -q {WHERE}")
    if not check.fact(f"plug {number}: unlocked and mounted by itself", mounted.ok,
                      lambda: machine.run("systemctl status volumecrypt@u-stick.service;"
                                          " journalctl -b -n 60 --no-pager").output):
        return False
    if number == 1:
        machine.output(f"echo 1 > {WHERE}/count; sync")
        check_stopped_sync(check, machine)
        check_locked(check, machine)
        check_mount_options(check, machine)
    else:
        count = machine.output(f"n=$(($(cat {WHERE}/count) + 1)); echo $n > {WHERE}/count; sync; echo $n")
        check.equal(f"plug {number}: what was written before is there", count, str(number))
    machine.unplug("stick")
    gone = machine.wait_until(LEFT_OVER)
    return check.fact(f"unplug {number}: no mount, mapping or process is left", gone.ok,
                      lambda: machine.run("dmsetup ls; findmnt; ps ax | grep volumecrypt;"
                                          " journalctl -b -n 60 --no-pager").output)


def units(machine):
    """Our units and what state they are in, but for the daemon, which comes and goes. Its jobs may still look
    at what has just changed: they are waited for, and one that stays shows."""
    machine.wait_until("! systemctl list-units --all --plain --no-legend 'volumecrypt-job-*' | grep -q .")
    text = machine.output("systemctl list-units --all --plain --no-legend '*volumecrypt*' '*stick*' '*u-data*'"
                          " 'blockdev@*' | awk '$1 != \"volumecrypt.service\" {print $1, $2, $3, $4}' | sort")
    return text.splitlines()


def check_quiet(check, machine):
    check.section("A failed volume is left alone")
    def count():
        return machine.journal("-o cat -u volumecrypt@u-data.service | grep -c ^Starting")

    before = count()
    machine.run("volumecryptctl status u-data; udevadm trigger --settle --action=change /dev/vdb1; sleep 10")
    looks = machine.journal("-o cat | grep -i 'inspect of'")
    check.fact("looks at volumes are no lines in the journal", not looks, looks)
    check.equal("neither looking at it nor an event of its device tries it again", count(), before)


def check_hotplug(check, machine, disk):
    check.section("A disk is plugged and unplugged")
    machine.wait_until(LEFT_OVER)
    before = None
    for number in range(1, CYCLES + 1):
        if not cycle(check, machine, disk, number):
            return
        # The first time makes units that stay known, such as the fsck instance.
        before = before or units(machine)
    check.equal("after the last: the units are as after the first", units(machine), before)
    failed = machine.run("systemctl --failed --plain --no-legend | awk '{print $1}'").output.split()
    if not check.equal("only the volume with the wrong key failed", failed, ["volumecrypt@u-data.service"]):
        check.note(machine.run("journalctl -b --no-pager -u 'volumecrypt-sync@*' | tail -40").output)


def check_label_alone(check, machine, disk):
    check.section("A blank removable disk that is plugged in and has a declared label")
    machine.plug_removable("labelled", disk)
    found = machine.wait_until("test -e /dev/disk/by-partlabel/u-label")
    check.fact("the kernel shows it", found.ok)
    refused = machine.wait_until("systemctl is-failed volumecrypt@u-label.service")
    check.fact("its attach fails", refused.ok)
    journal = machine.journal("-u volumecrypt@u-label.service")
    check.fact("because it is removable and only the label selects it", "removable" in journal, journal)
    check.fact("nothing was written: the partition is still blank", disk.is_blank("u-label"), journal)
    status = json.loads(machine.output("volumecryptctl status u-label --json"))
    check.equal("volumecryptctl status says blank", status["state"], "blank")
    machine.unplug("labelled")
    machine.run("systemctl reset-failed volumecrypt@u-label.service")


def scenario(check, system):
    machine = Machine(system, UUID)
    data = Disk(machine.folder / "data.img", {"u-data": 40})
    data.fill("u-data", luks_image(machine.folder / "luks", "the right key"))
    machine.attach(data)
    machine.inject("/etc/volumecrypt/volumes.yaml", CONFIG + "---\n" + growing.CONFIG, mode=0o600)
    machine.boot()
    check_wrong_key(check, machine)
    check_quiet(check, machine)
    check_hotplug(check, machine, Disk(machine.folder / "stick.img", {"any": 64}))
    check_label_alone(check, machine, Disk(machine.folder / "label.img", {"u-label": 64}))
    growing.check_growing(check, machine)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))

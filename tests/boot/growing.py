# SPDX-License-Identifier: Apache-2.0
"""Partitions that are enlarged while their volumes are in use, as growpart and parted do it: the volumes stay as they
are until they are told to grow, keep their link when they get another label, and are cleaned up when the disk really
goes."""
from applying import rest
from disk import Disk

DISK = "/dev/disk/by-id/virtio-grown"
MIB = 1 << 20
# Volume -> file system, partition number, its size in MiB and the room behind it.
VOLUMES = {"u-gext4": ("ext4", 1, 64, 128), "u-gxfs": ("xfs", 2, 330, 100), "u-gbtrfs": ("btrfs", 3, 200, 200)}
FIRST = "u-gext4"
LINK = f"/dev/disk/by-partlabel/{FIRST}"
CONFIG = "---\n".join(f"""\
apiVersion: v1alpha1
kind: UserVolumeConfig
name: {name.removeprefix("u-")}
mount: {{deviceTimeout: 5s}}
filesystem: {{type: {kind}}}
encryption:
  keys:
    - {{slot: 0, static: {{passphrase: the key of {name}}}}}
""" for name, (kind, *_) in VOLUMES.items())


def where(name):
    return f"/var/mnt/{name.removeprefix('u-')}"


def roomy_disk(folder):
    """A disk with room behind each partition."""
    return Disk(folder / "grown.img", {name: size for name, (_, _, size, _) in VOLUMES.items()},
                room={name: room for name, (*_, room) in VOLUMES.items()})


def invocations(machine):
    """Of what systemd must not stop; anything that was stopped and started again shows."""
    units = " ".join(f"volumecrypt@{name}.service var-mnt-{name.removeprefix('u-')}.mount" for name in VOLUMES)
    return machine.output(f"systemctl show -P InvocationID {units}")


def resize(machine, number, size_mib):
    """The table is written, and known to udev, before the kernel hears of the new size."""
    machine.output(f"echo ',{size_mib}M' | sfdisk --quiet --no-reread --no-tell-kernel --force -N {number} {DISK}"
                   f" && udevadm settle && sleep 1 && partx -u --nr {number} {DISK} && udevadm settle")


def check_in_use(check, machine, what, before):
    machine.run(f"udevadm trigger --settle --action=change {DISK}-part1; sleep 1")
    check.equal(f"{what}: neither the volumes nor their mounts were stopped", invocations(machine), before)
    places = " && ".join(f"mountpoint -q {where(name)} && echo x >> {where(name)}/log" for name in VOLUMES)
    check.fact(f"{what}: they are mounted, and written to", machine.run(f"{places} && sync && test -e {LINK}").ok,
               lambda: machine.run(f"dmsetup ls; findmnt; udevadm info {DISK}-part1;"
                                   " journalctl -b -n 40 --no-pager").output)


def check_grow(check, machine, name):
    kind = VOLUMES[name][0]
    space = f"df --output=size -B1M {where(name)} | tail -1"
    before = int(machine.output(space))
    outcome = machine.run(f"volumecryptctl grow {name}", 180)
    after = int(machine.output(space))
    check.fact(f"grow {name}: mapping and {kind} have what the partition got", outcome.ok and after > before + 40,
               lambda: f"{before} -> {after}: {outcome.output}\n"
               + machine.run("journalctl -b -n 40 --no-pager").output)
    check.fact(f"grow {name} again: nothing to do", machine.run(f"volumecryptctl grow {name}", 180).ok
               and int(machine.output(space)) == after)


def check_growing(check, machine):
    check.section("Partitions are enlarged while their volumes are in use")
    machine.plug("grown", roomy_disk(machine.folder))
    for name in VOLUMES:
        mounted = machine.wait_until(f"mountpoint -q {where(name)}")
        check.fact(f"{name} is mounted", mounted.ok, lambda: machine.run(f"journalctl -b -u volumecrypt@{name}").output)
    rest(machine)
    before = invocations(machine)
    for name, (_, number, size, room) in VOLUMES.items():
        resize(machine, number, size + room // 2)
        check.equal(f"the kernel knows {name}'s new size",
                    machine.output(f"blockdev --getsize64 {DISK}-part{number}"), str((size + room // 2) * MIB))
    check_in_use(check, machine, "larger partitions", before)
    for name in VOLUMES:
        check_grow(check, machine, name)
    machine.output(f"sfdisk --quiet --no-reread --part-label {DISK} 1 another && udevadm settle")
    check_in_use(check, machine, "another label", before)
    machine.output(f"sfdisk --quiet --no-reread --part-label {DISK} 1 {FIRST} && udevadm settle")
    machine.unplug("grown")
    left = " && ".join(f"! mountpoint -q {where(name)} && ! test -e /dev/mapper/luks2-{name}" for name in VOLUMES)
    gone = machine.wait_until(f"{left} && ! test -e {LINK}")
    check.fact("unplugged: no mount, mapping or link is left", gone.ok,
               lambda: machine.run("dmsetup ls; findmnt; journalctl -b -n 60 --no-pager").output)

# SPDX-License-Identifier: Apache-2.0
"""Header backups of volumes that are in use, and restored under real mappings."""
import os

import lab
from engine_checks import HEADER, KEYS, NODE, SECRET, Volume
from lab import Machine, check, equal, mounted, opens, run

METADATA = 128 << 10
BACKUPS = "etc/volumecrypt/state/backups"


def header_of(volume):
    os.sync()
    return volume.disk.file.read_bytes()[:HEADER]


def backup(volume, file):
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return volume.machine.engine("backup-header", "u-data", "--header-fd", descriptor, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)


def restore(volume, content):
    descriptor = os.memfd_create("backup", 0)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return volume.machine.engine("restore-header", "u-data", "--header-fd", descriptor, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)


def new_file(name):
    file = lab.WORK / name
    file.unlink(missing_ok=True)
    return file


def backed_up(machine, kind, mebibytes):
    """the header of a volume in use goes to a file, but not to one on the volume itself"""
    with Volume(machine, mebibytes, filesystem=f"{{type: {kind}}}") as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            file = new_file("backup")
            backup(volume, file).succeeded(state="unlocked", changed=False)
            assert file.read_bytes() == header_of(volume), "the backup is not the header"
            inside = where / "backup"
            backup(volume, inside).failed("InvalidConfig", text="lies on the volume itself")
            equal(inside.stat().st_size, 0)


def restored(machine):
    """a header is restored to a locked volume only, and its data is there"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        old = header_of(volume)
        volume.declare(keys=KEYS.replace(SECRET, "second secret"))
        machine.engine("sync", "u-data").succeeded(changed=True)
        restore(volume, old).failed("Busy", text="is unlocked")
        volume.detach().succeeded()
        run("cryptsetup", "open", "--key-file", "-", volume.disk.node, "by-hand", stdin="second secret")
        restore(volume, old).failed("Busy", text="is in use by dm-")
        run("cryptsetup", "close", "by-hand")
        run("dd", "if=/dev/zero", f"of={volume.disk.node}", "bs=1M", "count=1", "conv=fsync")
        restore(volume, old).succeeded(state="locked", changed=True)
        assert header_of(volume) == old, "the header is not that of the backup"
        assert opens(volume.disk.node, SECRET, "--key-slot", "1"), "the old key does not open slot 1"
        volume.attach().succeeded(state="unlocked")
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")
        machine.engine("sync", "u-data").succeeded(changed=True)
        assert not opens(volume.disk.node, SECRET), "the old key still opens the volume"


def interrupted(machine):
    """the next attach finishes a restore that the power ended"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        old = header_of(volume)
        volume.declare(keys=KEYS.replace(SECRET, "second secret"))
        machine.engine("sync", "u-data").succeeded(changed=True)
        volume.detach().succeeded()
        folder = machine.root / BACKUPS
        folder.mkdir(mode=0o700)
        (folder / "u-data.restore").write_bytes(header_of(volume))
        (folder / "u-data.restored").write_bytes(old)
        # All areas, and neither copy of the metadata.
        with open(volume.disk.node, "r+b") as disk:
            disk.seek(2 * METADATA)
            disk.write(old[2 * METADATA:])
        volume.attach().succeeded(state="unlocked")
        assert header_of(volume) == old, "the header is not that of the backup"
        equal(list(folder.iterdir()), [])
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")


def run_all(build):
    machine = Machine(build)
    for kind, mebibytes in (("ext4", 64), ("btrfs", 180)):
        check(backed_up, machine, kind, mebibytes)
    check(restored, machine)
    check(interrupted, machine)

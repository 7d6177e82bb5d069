# SPDX-License-Identifier: Apache-2.0
"""grow: mapping and mounted file system follow a device that became larger, with data on it."""
import os
import signal
import subprocess
import time

from engine_checks import HEADER, MAP, NODE, SECRET, Volume
from lab import Machine, check, equal, mounted, run, table

MIB = 1 << 20
# Type -> sizes of the disk before and after, in MiB, with room for what mkfs needs at least.
FILESYSTEMS = {"ext4": (64, 128), "xfs": (340, 420), "btrfs": (180, 340)}


def grow(volume, *options, **more):
    return volume.machine.engine("grow", "u-data", *options, **more)


def planned(volume):
    return volume.machine.engine("plan", "u-data")


def mapped_bytes():
    return int(table(MAP)[1]) * 512


def space(where):
    info = os.statvfs(where)
    return info.f_blocks * info.f_frsize


def grows(machine, kind):
    before, after = FILESYSTEMS[kind]
    with Volume(machine, before, filesystem=f"{{type: {kind}}}") as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
            grow(volume).succeeded(changed=False, mappingGrew=False, filesystemGrew=False)
            planned(volume).succeeded(notes=None)
            was = space(where)
            header = volume.disk.digest(HEADER)
            volume.disk.grow(after)
            planned(volume).succeeded(notes=[f"{after - before} MiB of the device are not used: `volumecryptctl grow u-data`"])
            # Open files see nothing of it.
            with open(where / "open", "w", encoding="ascii") as file:
                grow(volume).succeeded(changed=True, mappingGrew=True, filesystemGrew=True,
                                       notes=[f"grown to {after - HEADER // MIB} MiB"])
                file.write("still")
            equal(mapped_bytes(), (after * MIB) - HEADER, "size of the mapping")
            assert space(where) > was + (after - before) * MIB * 3 // 4, f"{was} -> {space(where)}"
            equal((where / "file").read_text(), "precious")
            equal(volume.disk.digest(HEADER), header, "the header")
            grow(volume).succeeded(changed=False)
        volume.detach().succeeded()
        volume.attach().succeeded(state="unlocked")
        with mounted(NODE) as where:
            equal((where / "file").read_text() + (where / "open").read_text(), "preciousstill")


def plain(machine):
    """grow of a plain volume: its file system follows the device"""
    with Volume(machine, keys=None) as volume:
        volume.attach().succeeded()
        with mounted(volume.disk.node) as where:
            was = space(where)
            volume.disk.grow(128)
            grow(volume).succeeded(changed=True, state="plain", mappingGrew=False)
            assert space(where) > was + 48 * MIB, f"{was} -> {space(where)}"


def interrupted(machine):
    """grow after one that was killed between mapping and file system, or anywhere else, goes on"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
            was = space(where)
            volume.disk.grow(96)
            run("cryptsetup", "resize", MAP, "--key-file", "-", stdin=SECRET)
            grow(volume).succeeded(changed=True, mappingGrew=False, filesystemGrew=True)
            assert space(where) > was
            for step in range(1, 12):
                volume.disk.grow(96 + 8 * step)
                with subprocess.Popen(volume.machine.command("grow", "u-data"), stdout=subprocess.PIPE,
                                      start_new_session=True) as engine:
                    time.sleep(0.04 * step)
                    os.killpg(engine.pid, signal.SIGKILL)
                grow(volume).succeeded()
                equal(mapped_bytes(), volume.disk.size - HEADER, f"size of the mapping after kill {step}")
                equal((where / "file").read_text(), "precious")
                (where / f"file{step}").write_bytes(b"x" * MIB)
        equal(run("e2fsck", "-fn", NODE, ok=False).returncode, 0, "e2fsck")


def by_secret(machine):
    """grow by a given passphrase where no declared key opens the volume"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.declare(keys="\n    - {slot: 1, static: {passphrase: quite another}}")
        with mounted(NODE):
            volume.disk.grow(96)
            grow(volume).failed("NoUsableKey")
            equal(mapped_bytes(), 64 * MIB - HEADER, "size of the mapping")
            for secret, good in (("wrong", False), (SECRET, True)):
                source, sink = os.pipe()
                os.write(sink, secret.encode())
                os.close(sink)
                answer = grow(volume, "--secret-fd", source, pass_fds=(source,))
                os.close(source)
                if good:
                    answer.succeeded(changed=True)
                else:
                    answer.failed("KeyRejected")


def refused(machine):
    """grow says why it cannot: locked, not mounted, mounted read-only, read-only device, half a sector"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE, "-o", "ro"):
            grow(volume).failed("Unsupported", text="mounted read-only")
        volume.disk.grow(96)
        grow(volume).failed("Unsupported", text="not mounted")
        equal(mapped_bytes(), 96 * MIB - HEADER, "size of the mapping")
        with mounted(NODE):
            grow(volume).succeeded(changed=True, mappingGrew=False, filesystemGrew=True)
            run("blockdev", "--setro", volume.disk.node)
            grow(volume).failed("Unsupported", text="read-only")
            run("blockdev", "--setrw", volume.disk.node)
        volume.detach().succeeded()
        grow(volume).failed("Unsupported", text="locked")


def half_sector(machine):
    """grow leaves a volume alone whose device ends in a part of a sector"""
    with Volume(machine, encryption="  blockSize: 4096\n") as volume:
        volume.attach().succeeded()
        with mounted(NODE):
            os.truncate(volume.disk.file, 96 * MIB + 512)
            run("losetup", "--set-capacity", volume.disk.node)
            grow(volume).failed("Unsupported", text="part of a sector")
            equal(mapped_bytes(), 64 * MIB - HEADER, "size of the mapping")


def small_btrfs(machine):
    """grow says that the kernel resizes no btrfs below 256 MiB"""
    with Volume(machine, 160, filesystem="{type: btrfs}") as volume:
        volume.attach().succeeded()
        with mounted(NODE):
            grow(volume).succeeded(changed=False)
            volume.disk.grow(200)
            grow(volume).failed("NoSpace", text="256 MiB")


def raw(machine):
    """grow of a volume without a file system: the mapping alone"""
    with Volume(machine, filesystem="{type: none}") as volume:
        volume.attach().succeeded()
        volume.disk.grow(80)
        grow(volume).succeeded(changed=True, mappingGrew=True, filesystemGrew=False)
        equal(mapped_bytes(), 80 * MIB - HEADER, "size of the mapping")


def run_all(build):
    machine = Machine(build)
    for kind in FILESYSTEMS:
        check(grows, machine, kind, name=f"grow of a mounted {kind}: mapping and file system follow, header and data stay")
    for group in (plain, interrupted, by_secret, refused, half_sector, small_btrfs, raw):
        check(group, machine)

# SPDX-License-Identifier: Apache-2.0
"""encrypt on real block devices: what was on them is read through the mapping afterwards."""
import hashlib
import os
import random
import signal
import subprocess
import time

from engine_checks import NODE, Volume
from lab import Machine, check, equal, mappings, mounted, run

MIB = 1 << 20
# Type -> size of the disk and what it is made larger by before, in MiB.
FILESYSTEMS = {"ext4": (96, 0), "xfs": (320, 32), "btrfs": (300, 32)}


def encrypt(volume, *options):
    return volume.machine.engine("encrypt", "u-data", *options)


def fill(where, amount=8):
    """Files with a content that is known again; their digests."""
    source = random.Random(7)
    for number in range(amount):
        folder = where / f"folder{number % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"file{number}").write_bytes(source.randbytes(source.randrange(2 * MIB)))
    return digests(where)


def digests(where):
    return {str(path.relative_to(where)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in where.rglob("*") if path.is_file()}


def made(volume, kind, *options):
    """The file system on the device in the clear, and what is in it."""
    run(f"mkfs.{kind}", "-q", *options, volume.disk.node)
    with mounted(volume.disk.node) as where:
        return fill(where)


def judge(volume, wanted):
    volume.attach().succeeded(state="unlocked")
    with mounted(NODE) as where:
        equal(digests(where), wanted, "the files")
        (where / "more").write_text("more")
    volume.detach().succeeded(state="locked")


def stays(machine, kind):
    size, more = FILESYSTEMS[kind]
    with Volume(machine, size, filesystem=f"{{type: {kind}}}") as volume:
        wanted = made(volume, kind)
        if more:
            encrypt(volume).failed("NoSpace")
            volume.disk.grow(size + more)
        volume.attach().failed("NotBlank")
        encrypt(volume).succeeded(state="locked", changed=True)
        encrypt(volume).succeeded(changed=False)
        judge(volume, wanted)
        volume.attach().succeeded()
        with mounted(NODE):
            volume.machine.engine("grow", "u-data").succeeded(filesystemGrew=True)
        volume.detach().succeeded()


def busy(machine):
    """encrypt says who uses the device, and leaves it alone"""
    with Volume(machine, 96) as volume:
        wanted = made(volume, "ext4")
        with mounted(volume.disk.node) as where:
            encrypt(volume).failed("Busy", text=f"mounted at {where}")
        judge_plain = volume.disk.digest()
        run("blockdev", "--setro", volume.disk.node)
        encrypt(volume).failed("Unsupported", text="read-only")
        run("blockdev", "--setrw", volume.disk.node)
        equal(volume.disk.digest(), judge_plain, "the disk")
        encrypt(volume).succeeded(changed=True)
        judge(volume, wanted)


def unclean(machine):
    """encrypt leaves an xfs alone whose log is to be replayed"""
    with Volume(machine, 352, filesystem="{type: xfs}") as volume:
        run("mkfs.xfs", "-q", "-d", f"size={320 * MIB}", volume.disk.node)
        with mounted(volume.disk.node) as where:
            wanted = fill(where)
            run("sync", "-f", where)
            run("xfs_io", "-x", "-c", "shutdown -f", where)
        before = volume.disk.digest()
        encrypt(volume).failed("Unsupported", text="its log is to be replayed")
        equal(volume.disk.digest(), before, "the disk")
        with mounted(volume.disk.node):
            pass
        encrypt(volume).succeeded(changed=True)
        judge(volume, wanted)


def large_sectors(machine):
    """encrypt on a disk of large sectors, which does not end at a whole segment"""
    with Volume(machine, 101, "--sector-size", "4096") as volume:
        run("mkfs.ext4", "-q", "-b", "4096", volume.disk.node, str(60 * MIB // 4096))
        with mounted(volume.disk.node) as where:
            wanted = fill(where)
        encrypt(volume).succeeded(changed=True)
        judge(volume, wanted)


def killed(machine):
    """encrypt killed over and over comes to its end; until then nothing is formatted, and in flight it can be used"""
    with Volume(machine, 128) as volume:
        wanted = made(volume, "ext4")
        refused = flying = 0
        for step in range(16):
            with subprocess.Popen(volume.machine.command("encrypt", "u-data", "--rate", str(40 * MIB)),
                                  stdout=subprocess.PIPE, start_new_session=True) as engine:
                # Before the data, or in the middle of it.
                if step % 2:
                    next((line for line in engine.stdout if b"progress" in line), None)
                time.sleep(0.02 * step)
                os.killpg(engine.pid, signal.SIGKILL)
            answer = volume.attach()
            if answer.status != 0:
                assert answer.last["code"] in ("NotBlank", "HeaderRefused"), answer.last
                assert "volumecryptctl encrypt u-data" in answer.last["hint"], answer.last
                refused += 1
                continue
            with mounted(NODE) as where:
                equal(digests(where), wanted, "the files")
                (where / f"step{step}").write_bytes(os.urandom(MIB // 2))
                wanted = digests(where)
            if answer.last["state"] == "reencrypting":
                encrypt(volume).failed("Busy", text="is unlocked, and its encryption is unfinished")
            else:
                encrypt(volume).succeeded()
            volume.detach().succeeded(state="locked")
            equal(mappings(), [])
            if answer.last["state"] == "unlocked":
                break
            flying += 1
        encrypt(volume).succeeded()
        judge(volume, wanted)
        assert refused and flying, f"it was never caught in the middle: {refused}, {flying}"


def run_all(build):
    machine = Machine(build)
    for kind in FILESYSTEMS:
        check(stays, machine, kind, name=f"encrypt of {kind}: every file is there afterwards, and it grows")
    for group in (busy, unclean, large_sectors, killed):
        check(group, machine)

# SPDX-License-Identifier: Apache-2.0
"""decrypt: what dm-crypt wrote is read by us, and is there in the clear afterwards; file systems are made smaller
through a mapping."""
import os
import signal
import subprocess
import time

from engine_checks import MAP, NODE, SECRET, Volume
from lab import Machine, blkid, check, equal, mappings, mounted, run

MIB = 1 << 20


def secret_fd(secret):
    descriptor = os.memfd_create("secret", 0)
    os.write(descriptor, secret.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def decrypt(volume, secret=SECRET):
    descriptor = secret_fd(secret)
    try:
        return volume.machine.engine("decrypt", "u-data", "--secret-fd", descriptor, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)


def fill(where):
    """Files by name."""
    files = {f"file{number}": os.urandom(700_000 + 4099 * number) for number in range(16)}
    for name, content in files.items():
        (where / name).write_bytes(content)
    return files


def expect_files(node, files):
    with mounted(node) as where:
        for name, content in files.items():
            assert (where / name).read_bytes() == content, f"{name} is not as it was"


def make(volume):
    """A volume with files, locked."""
    volume.attach().succeeded(state="unlocked")
    # Whoever reads the device has the kernel keep what is on it now; it is kept until the last one closes it.
    volume.kept = open(volume.disk.node, "rb")  # pylint: disable=consider-using-with
    while volume.kept.read(MIB):
        pass
    with mounted(NODE) as where:
        files = fill(where)
    volume.detach().succeeded()
    return files


def expect_plain(volume, files, kind="ext4"):
    volume.attach().succeeded(state="plain", changed=False)
    equal(blkid(volume.disk.node, "TYPE"), kind)
    expect_files(volume.disk.node, files)
    decrypt(volume).succeeded(changed=False)


def made_smaller(machine, mebibytes, *options):
    with Volume(machine, mebibytes, *options) as volume:
        files = make(volume)
        volume.declare(keys=None)
        decrypt(volume).succeeded(state="plain", changed=True)
        equal(mappings(), [])
        volume.kept.close()
        run("e2fsck", "-f", "-n", volume.disk.node)
        expect_plain(volume, files)


def in_use(machine):
    """decrypt of an unlocked or mounted volume is Busy, and writes nothing"""
    with Volume(machine, 96) as volume:
        files = make(volume)
        volume.attach().succeeded()
        volume.declare(keys=None)
        before = volume.disk.digest()
        decrypt(volume).failed("Busy", text="is unlocked")
        equal(volume.disk.digest(), before, "content of the disk")
        run("cryptsetup", "close", MAP)
        run("cryptsetup", "open", "--key-file", "-", volume.disk.node, "other", stdin=SECRET)
        try:
            decrypt(volume).failed("Busy", text="is in use: under dm-")
        finally:
            run("cryptsetup", "close", "other")
        decrypt(volume).succeeded(changed=True)
        expect_plain(volume, files)


def cannot_shrink(machine):
    """decrypt of xfs wants a larger partition, and leaves the file system as it is"""
    with Volume(machine, 340, filesystem="{type: xfs}") as volume:
        files = make(volume)
        volume.declare(keys=None, filesystem="{type: xfs}")
        before = volume.disk.digest()
        answer = decrypt(volume).failed("NoSpace", text="needs 20 MiB behind the xfs file system")
        assert "Make the partition larger by 20 MiB" in answer.last["hint"], answer
        equal(volume.disk.digest(), before, "content of the disk")
        volume.disk.grow(360)
        # As it is after a power cut: with a log to be replayed.
        run("cryptsetup", "open", "--key-file", "-", volume.disk.node, MAP, stdin=SECRET)
        with mounted(NODE) as where:
            (where / "last").write_text("word")
            run("xfs_io", "-x", "-c", "shutdown -f", where)
        run("cryptsetup", "close", MAP)
        before = volume.disk.digest()
        decrypt(volume).failed("Unsupported", text="its log is to be replayed")
        equal(volume.disk.digest(), before, "content of the disk")
        run("cryptsetup", "open", "--key-file", "-", volume.disk.node, MAP, stdin=SECRET)
        with mounted(NODE):
            pass
        run("cryptsetup", "close", MAP)
        decrypt(volume).succeeded(changed=True)
        expect_plain(volume, files, "xfs")


def killed(machine):
    """decrypt killed again and again goes on; meanwhile nothing mounts the device"""
    with Volume(machine, 96) as volume:
        files = make(volume)
        volume.declare(keys=None)
        for pause in (0.2, 0.5, 1, 1.5, 2, 2.5):
            descriptor = secret_fd(SECRET)
            command = machine.command("decrypt", "u-data", "--secret-fd", descriptor, "--rate", 8 * MIB)
            with subprocess.Popen(command, pass_fds=(descriptor,), stdout=subprocess.DEVNULL) as process:
                time.sleep(pause)
                process.send_signal(signal.SIGKILL)
            os.close(descriptor)
            if MAP in mappings():
                run("dmsetup", "remove", "--retry", MAP)
            with open(volume.disk.node, "rb") as device:
                begun = device.read(22) == b"VOLUMECRYPT-DECRYPTING"
            if begun:
                volume.attach().failed("HeaderRefused", text="its decryption was begun")
                equal(run("blkid", "-p", volume.disk.node, ok=False).stdout, "", "what blkid sees")
        decrypt(volume).succeeded(state="plain")
        expect_plain(volume, files)


def run_all(build):
    machine = Machine(build)
    check(made_smaller, machine, 96, name="decrypt makes ext4 smaller through a mapping, and its files stay")
    check(made_smaller, machine, 180, "--sector-size", "4096", name="decrypt of sectors of 4096 bytes")
    check(in_use, machine)
    check(cannot_shrink, machine)
    check(killed, machine)

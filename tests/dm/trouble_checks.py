# SPDX-License-Identifier: Apache-2.0
"""The engine in trouble: devices in use, swapped or gone, wrong keys, an engine that is killed."""
import contextlib
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

from engine_checks import MAP, NODE, NODE_ID, SECRET, Volume, document
from lab import Machine, blkid, check, disk, equal, mappings, mounted, opens, run, table


def follow(answer, *more):
    """Runs the command that a hint advises."""
    command, = re.findall("`([^`]+)`", answer.last["hint"])
    return run(*shlex.split(command), *more)


def busy_detach(machine):
    """detach of a mounted volume is Busy at once, and the volume goes on"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            answer = volume.detach()
            assert answer.last["code"] == "Busy" and answer.status != 0, answer
            # A detach with nothing to do is the measure: waiting for the user would take seconds more.
            idle = machine.engine("detach", "u-other").seconds
            assert answer.seconds < 3 * idle + 1, f"it took {answer.seconds:.1f} s, with nothing to do {idle:.1f} s"
            (where / "file").write_text("still writable")
        volume.detach().succeeded(changed=True)


def stale_mapping(machine):
    """a mapping of that name on another device is Busy, is not touched, and goes as the hint says"""
    with Volume(machine) as volume, disk(32) as other:
        run("dmsetup", "create", MAP, stdin=f"0 2048 linear {other.node} 0\n")
        before, lines = volume.disk.digest(), table(MAP)
        answer = volume.attach()
        answer.failed("Busy", status=75)
        equal(volume.disk.digest(), before, "content of the disk")
        equal(table(MAP), lines, "table of the other mapping")
        follow(answer)
        volume.attach().succeeded(changed=True)


def same_header_elsewhere(machine):
    """a mapping of the same volume's copy on another disk is not taken for this one"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        with disk(64) as copy:
            run("dd", f"if={volume.disk.file}", f"of={copy.node}", "bs=1M", "conv=fsync", "status=none")
            run("cryptsetup", "open", "--type", "luks2", "--key-file", "-", copy.node, MAP, stdin=SECRET)
            volume.attach().failed("Busy", status=75)
            run("cryptsetup", "close", MAP)


def held_device(machine):
    """a device that is mounted is never formatted"""
    with Volume(machine) as volume:
        run("dmsetup", "create", "holder", stdin=f"0 2048 linear {volume.disk.node} 0\n")
        before = volume.disk.digest()
        answer = volume.attach()
        run("dmsetup", "remove", "holder")
        assert answer.last["code"] == "Busy", answer
        equal(volume.disk.digest(), before, "content of the disk")


def wrong_key(machine):
    """without a right key: NoUsableKey, no mapping, nothing written"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        volume.declare(keys="\n    - {slot: 1, static: {passphrase: another secret}}")
        before = volume.disk.digest()
        volume.attach().failed("NoUsableKey", text="u-data")
        equal(volume.disk.digest(), before, "content of the disk")
        equal(mappings(), [])


@contextlib.contextmanager
def ill(volume, bad):
    """The volume on a device whose sectors `bad`, (first, end) in order, cannot be read or written."""
    ends = [0, *(end for pair in bad for end in pair), volume.disk.size // 512]
    lines = [f"{begin} {end - begin} " + ("error" if number % 2 else f"linear {volume.disk.node} {begin}")
             for number, (begin, end) in enumerate(zip(ends, ends[1:]))]
    run("dmsetup", "create", "ill", stdin="\n".join(lines) + "\n")
    try:
        volume.machine.declare(document("/dev/mapper/ill"))
        yield
    finally:
        if MAP in mappings():
            run("dmsetup", "remove", MAP)
        run("dmsetup", "remove", "ill")


def unreadable(machine):
    """key slots that cannot be read are an error of the disk, not of the keys"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        # Within the areas of slots 0 and 1, but not where signatures are looked for.
        with ill(volume, [(520, 1000), (1040, 1500)]):
            volume.attach().failed("Io", text="slot 1: read a key slot area")


def unreadable_copy(machine):
    """of the two copies of the header one that can be read is enough to unlock"""
    for name, bad in (("primary", (200, 208)), ("secondary", (400, 408))):
        with Volume(machine) as volume:
            volume.attach().succeeded()
            volume.detach().succeeded()
            with ill(volume, [bad]):
                answer = volume.attach().succeeded(state="unlocked", changed=True)
                told = " ".join(line["message"] for line in answer.lines if line["type"] == "warning")
                assert "one of the two copies of its header is damaged" in told and "back its data up" in told, (
                    f"{name}: {answer}")
                volume.detach().succeeded(changed=True)


def unreadable_header(machine):
    """a header neither copy of which can be read is an error of the disk"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        with ill(volume, [(200, 208), (400, 408)]):
            volume.attach().failed("Io", text="read the header")


def other_disk(machine):
    """another volume that the keys open is not the one that was made: ForeignVolume"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        run("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
            "1000", "--key-file", "-", volume.disk.node, stdin=SECRET)
        before = volume.disk.digest()
        volume.attach().failed("ForeignVolume")
        equal(mappings(), [])
        equal(volume.disk.digest(), before, "content of the disk")


def vanished(machine):
    """a volume that was there and is blank now is not formatted again"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        os.truncate(volume.disk.file, 0)
        volume.disk.grow(64)
        run("blockdev", "--flushbufs", volume.disk.node)
        volume.attach().failed("VolumeVanished")
        equal(blkid(volume.disk.node, "TYPE"), "")


def sector0(volume, text):
    with open(volume.disk.node, "rb") as device:
        return device.read(len(text)) == text


# What is to be seen just before the engine is killed.
MOMENTS = {
    "the marker is written": lambda volume: sector0(volume, b"VOLUMECRYPT-FORMATTING"),
    "the header is written": lambda volume: sector0(volume, b"LUKS\xba\xbe"),
    "the mapping is there": lambda volume: os.path.exists(NODE),
    "mkfs runs": lambda volume: mkfs_runs(),
}


def mkfs_runs():
    return any(command_name(entry).startswith("mkfs") for entry in pathlib.Path("/proc").glob("[0-9]*"))


def reap():
    """We are the first process: what the engine left is ours when it ends."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def command_name(entry):
    try:
        return (entry / "comm").read_text()
    except OSError:
        return ""


def killed(machine, moment):
    with Volume(machine) as volume:
        with subprocess.Popen(machine.command("attach", "u-data"), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as engine:
            while engine.poll() is None and not MOMENTS[moment](volume):
                time.sleep(0.002)
            engine.send_signal(signal.SIGKILL)
        # mkfs outlives a killed engine, as a unit's other processes do until systemd kills them too.
        while mkfs_runs():
            time.sleep(0.05)
            reap()
        volume.detach().succeeded()
        volume.attach().succeeded(state="unlocked")
        equal(blkid(NODE, "TYPE"), "ext4")
        with mounted(NODE):
            pass
        assert opens(volume.disk.node, NODE_ID) and opens(volume.disk.node, SECRET), "a key does not open it"


def by_label(machine):
    """a partition is found by the volume's own label, and two with it are AmbiguousDevice"""
    lines = "label: gpt\nsize=4M,name=META\nsize=64M,name=u-data\n"
    machine.reset()
    machine.declare(document("x").replace("volume: {device: x}\n", ""))
    with disk(96) as one, disk(96) as two:
        for each in (one, two):
            run("sfdisk", "-q", each.file, stdin=lines)
        run("losetup", "--detach", one.node)
        one.node = run("losetup", "--find", "--show", "--partscan", one.file).strip()
        machine.engine("attach", "u-data").succeeded(state="unlocked")
        equal(blkid(one.node + "p2", "TYPE"), "crypto_LUKS")
        machine.engine("detach", "u-data").succeeded()
        run("losetup", "--detach", two.node)
        two.node = run("losetup", "--find", "--show", "--partscan", two.file).strip()
        before = two.digest()
        answer = machine.engine("attach", "u-data").failed("AmbiguousDevice", text=one.node + "p2")
        assert two.node + "p2" in answer.last["message"], answer
        equal(two.digest(), before, "content of the second disk")
        equal(mappings(), [])


def plain_file(machine):
    """a plain file cannot be attached, but the loop device can that the hint sets up for it"""
    with Volume(machine) as volume:
        machine.declare(document(volume.disk.file))
        before = volume.disk.digest()
        answer = volume.attach()
        answer.failed("Unsupported")
        equal(volume.disk.digest(), before, "content of the file")
        node = follow(answer).strip()
        try:
            machine.declare(document(node))
            volume.attach().succeeded(changed=True)
            volume.detach().succeeded(changed=True)
        finally:
            run("losetup", "--detach", node)


def begun_elsewhere(machine):
    """a reencryption that cryptsetup began is not touched, and ends as the hint says"""
    with Volume(machine, keys=f"\n    - {{slot: 1, static: {{passphrase: {SECRET}}}}}") as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        volume.detach().succeeded()
        key = machine.root / "key"
        key.write_text(SECRET)
        secret = ["--key-file", str(key), "--batch-mode"]
        run("cryptsetup", "reencrypt", "--init-only", "--key-slot", "1", "--pbkdf", "pbkdf2",
            "--pbkdf-force-iterations", "1000", *secret, volume.disk.node)
        answer = volume.attach()
        answer.failed("HeaderRefused")
        follow(answer, *secret)
        # The volume key is another one, and a new volume for all that this machine knows.
        again = volume.attach()
        again.failed("ForeignVolume")
        assert "volumecryptctl forget u-data" in again.last["hint"], again
        machine.engine("forget", "u-data", "--confirm", "u-data").succeeded()
        volume.attach().succeeded()
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")
        volume.detach().succeeded()


def run_all(build):
    machine = Machine(build)
    for group in (busy_detach, stale_mapping, same_header_elsewhere, held_device, wrong_key, unreadable,
                  unreadable_copy, unreadable_header, other_disk, vanished, by_label, plain_file, begun_elsewhere):
        check(group, machine)
    for moment in MOMENTS:
        check(killed, machine, moment, name=f"an attach that is killed when {moment} is started over")

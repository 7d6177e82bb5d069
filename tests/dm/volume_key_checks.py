# SPDX-License-Identifier: Apache-2.0
"""A change of the volume key that is stopped and killed, on a real disk with a file system on it: it is used in flight."""
import hashlib
import os
import random
import subprocess

from engine_checks import MAP, NODE, Volume
from lab import Machine, check, equal, mappings, mounted, run


def reencrypt(volume, *options, kill=None, sign="KILL"):
    """Exit status; with `kill` after so many seconds by the signal."""
    before = ["timeout", "-s", sign, str(kill)] if kill is not None else []
    return subprocess.run([*before, *volume.machine.command("reencrypt", "u-data", *options)], capture_output=True,
                          text=True, check=False)


def fill(where, name, size):
    (where / name).write_bytes(os.urandom(size))


def digests(where):
    return {str(path.relative_to(where)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(where.rglob("*")) if path.is_file()}


def use(volume, wanted, name):
    """What is in it is what was; something new is put in."""
    with mounted(NODE) as where:
        equal(digests(where), wanted)
        fill(where, name, 300_000)
        os.sync()
        return digests(where)


def in_use_in_flight(machine):
    """a change of the volume key that was stopped: the volume is mapped in flight and used, locked, and goes on"""
    with Volume(machine, 64) as volume:
        volume.attach().succeeded(state="unlocked")
        with mounted(NODE) as where:
            fill(where, "file", 5_000_000)
            wanted = digests(where)
        digest = volume.disk.digest(1 << 20)
        volume.machine.engine("reencrypt", "u-data").failed("Busy", text="is unlocked")
        equal(volume.disk.digest(1 << 20), digest, "the header of an unlocked volume")
        volume.detach().succeeded()
        stopped = reencrypt(volume, "--rate", str(8 << 20), kill=2, sign="TERM")
        assert "Cancelled" in stopped.stdout, stopped
        volume.machine.engine("inspect", "u-data").succeeded(state="reencrypting", mapping=None)
        volume.attach().succeeded(state="reencrypting", changed=True)
        equal(mappings(), [MAP])
        volume.machine.engine("inspect", "u-data").succeeded(state="reencrypting", mapping=NODE)
        volume.attach().succeeded(state="reencrypting", changed=False)
        volume.machine.engine("sync", "u-data").failed("Busy", text="a change of its volume key is unfinished")
        wanted = use(volume, wanted, "in flight")
        volume.machine.engine("reencrypt", "u-data").failed("Busy", text="is unlocked")
        volume.detach().succeeded()
        done = reencrypt(volume)
        equal(done.returncode, 0, done.stdout)
        volume.attach().succeeded(state="unlocked")
        equal(len(run("dmsetup", "table", MAP).splitlines()), 1)
        use(volume, wanted, "after")
        volume.machine.engine("plan", "u-data", "--verify").succeeded()


def killed(machine):
    """a change of the volume key that is killed again and again, the data being changed in between"""
    chance = random.Random(17)
    with Volume(machine, 64) as volume:
        volume.attach().succeeded(state="unlocked")
        with mounted(NODE) as where:
            fill(where, "file", 3_000_000)
            wanted = digests(where)
        volume.detach().succeeded()
        for turn in range(8):
            ended = reencrypt(volume, "--rate", str(16 << 20), kill=f"{chance.uniform(0.3, 2.5):.2f}")
            volume.attach().succeeded(changed=True)
            wanted = use(volume, wanted, f"turn {turn}")
            volume.detach().succeeded()
            if ended.returncode == 0:
                break
        done = reencrypt(volume)
        equal(done.returncode, 0, done.stdout)
        volume.attach().succeeded(state="unlocked")
        use(volume, wanted, "last")
        volume.machine.engine("plan", "u-data", "--verify").succeeded()


def run_all(build):
    machine = Machine(build)
    for group in (in_use_in_flight, killed):
        check(group, machine)

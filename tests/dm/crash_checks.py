# SPDX-License-Identifier: Apache-2.0
"""The power goes during a first attach: what comes after the header is written (format on plain files
is tried by tests/crash) up to the volume that is ready and pinned."""
import os
import pathlib
import re
import signal
import subprocess

import lab
from engine_checks import MAP, NODE, SECRET, Volume
from lab import Machine, blkid, equal, mappings, mounted, opens, run

OPERATION = re.compile(r"^(\d+) (\w+) (\d+) (\d+) (.*)$")


def cut(volume, library, **more):
    """Runs attach with the interposer; its exit status, negative when it was killed."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DM_DISABLE_UDEV": "1", "LD_PRELOAD": str(library),
                   "CUT_SCOPE": f"{volume.disk.node}:/dev/mapper/{MAP}:/dev/dm-:{volume.machine.root}",
                   "CUT_SKIP": f"{volume.machine.root}/run",
                   **{name: str(value) for name, value in more.items()}}
    done = subprocess.run(volume.machine.command("attach", "u-data"), env=environment, capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout


class Operation:
    """One line of the interposer's log."""

    def __init__(self, line, earlier):
        self.number, self.kind, length, unflushed, self.path = OPERATION.match(line).groups()
        self.length, self.unflushed, self.earlier = int(length), int(unflushed), earlier

    def ways(self, long):
        """(mode, whether the mapping goes with the power); those that leave what another point leaves only in a long
        run: a flush changes nothing of what a kill finds, and what is lost is back at the first write since."""
        if long or self.earlier is None or self.earlier.kind != "fsync":
            yield "kill", False
            yield "kill", True
        if self.kind == "write" and self.length > 1:
            yield "torn", True
        if self.unflushed and (long or self.earlier is None or self.earlier.path != self.path):
            yield "lost", True


def operations(machine, library):
    """Those after the header is on the disk: from its last flush on."""
    log = lab.WORK / "operations"
    with Volume(machine) as volume:
        status, output = cut(volume, library, CUT_LOG=log)
        assert status == 0, output
        node = volume.disk.node
    found = []
    for line in log.read_text().splitlines():
        found.append(Operation(line, found[-1] if found else None))
    first = next(index for index, one in enumerate(found) if one.path != node)
    found = found[max(0, first - 2):]
    found[0].earlier = None
    return found


def recovered(volume, power):
    """The next attach makes the volume whole; what is stored then stays."""
    if power and MAP in mappings():
        run("dmsetup", "remove", "--retry", MAP)
    volume.attach().succeeded(state="unlocked")
    equal(blkid(NODE, "TYPE"), "ext4")
    with mounted(NODE) as where:
        (where / "file").write_text("precious\n")
    volume.detach().succeeded(state="locked")
    volume.attach().succeeded(state="unlocked")
    with mounted(NODE) as where:
        equal((where / "file").read_text(), "precious\n")
    assert opens(volume.disk.node, SECRET, "--key-slot", "1"), "the declared key does not open its slot"
    seen = volume.machine.engine("inspect", "u-data").succeeded(phase="ready", pinned=True)
    equal([slot["slot"] for slot in seen.last["slots"]], [0, 1], "key slots")
    volume.machine.engine("plan", "u-data").succeeded()


def point(machine, library, number, mode, power):
    with Volume(machine, 40) as volume:
        status, output = cut(volume, library, CUT_AT=number, CUT_MODE=mode)
        equal(status, -signal.SIGKILL, f"exit status ({output})")
        recovered(volume, power)


def run_all(build):
    machine = Machine(build)
    library = pathlib.Path(build) / "tests/crash/libpower-cut.so"
    long = "VOLUMECRYPT_TEST_LONG" in os.environ
    tried, lost = 0, 0
    for operation in operations(machine, library):
        problems = []
        # Killed alone the mapping stays; with the power it goes.
        for mode, power in operation.ways(long):
            tried += 1
            try:
                point(machine, library, operation.number, mode, power)
            except AssertionError as error:
                problems.append(f"{mode}{', power off' if power else ''}: {error}")
        lost += len(problems)
        lab.verdict(f"attach cut at {operation.number}: {operation.kind} {operation.length} {operation.path}",
                    "\n".join(problems) or None)
    print(f"{tried} points tried, {lost} lost", flush=True)

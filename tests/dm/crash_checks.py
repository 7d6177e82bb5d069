# SPDX-License-Identifier: Apache-2.0
"""The power goes during a first attach: what comes after the header is written (format on plain files
is tried by tests/crash) up to the volume that is ready and pinned."""
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


def operations(machine, library):
    """Those after the header is on the disk: from its last flush on."""
    log = lab.WORK / "operations"
    with Volume(machine) as volume:
        status, output = cut(volume, library, CUT_LOG=log)
        assert status == 0, output
        node = volume.disk.node
    found = [OPERATION.match(line).groups() for line in log.read_text().splitlines()]
    first = next(index for index, one in enumerate(found) if one[4] != node)
    return found[max(0, first - 2):]


def modes(kind, length, unflushed):
    yield "kill"
    if kind == "write" and int(length) > 1:
        yield "torn"
    if int(unflushed):
        yield "lost"


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
    tried, lost = 0, 0
    for number, kind, length, unflushed, path in operations(machine, library):
        problems = []
        for mode in modes(kind, length, unflushed):
            # Killed alone the mapping stays; with the power it goes.
            for power in (False, True) if mode == "kill" else (True,):
                tried += 1
                try:
                    point(machine, library, number, mode, power)
                except AssertionError as error:
                    problems.append(f"{mode}{', power off' if power else ''}: {error}")
        lost += len(problems)
        lab.verdict(f"attach cut at {number}: {kind} {length} {path}", "\n".join(problems) or None)
    print(f"{tried} points tried, {lost} lost", flush=True)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The interposer's copies are what a real kill leaves, at each operation and in each way (TAP)."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # pylint: disable=wrong-import-position
from run import points_of  # pylint: disable=wrong-import-position

LIBRARY = pathlib.Path(sys.argv[1]) / "tests/crash/libpower-cut.so"
# Writes that are flushed and that are not, beyond the end, in holes; a file made and renamed, one removed.
PROGRAM = """
import os, sys
os.chdir(sys.argv[1])
disk = os.open("disk", os.O_RDWR)
os.pwrite(disk, b"first" * 100, 8192)
os.pwrite(disk, b"second", 100)
os.fsync(disk)
os.pwrite(disk, b"third", 102)
os.pwrite(disk, b"beyond the end", 300000)
os.fdatasync(disk)
fresh = os.open(sys.argv[1] + "/etc/fresh", os.O_WRONLY | os.O_CREAT, 0o640)
os.write(fresh, b"half and half")
os.fsync(fresh)
os.write(fresh, b", unflushed")
os.rename(sys.argv[1] + "/etc/fresh", sys.argv[1] + "/etc/named")
os.unlink(sys.argv[1] + "/etc/old")
os.pwrite(disk, b"1", 0)
"""


def content(folder):
    """All that a power cut leaves: {name: (mode, content)}."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not name.startswith("root/run"):
            found[name] = path.lstat().st_mode, path.read_bytes() if path.is_file() else b""
    return found


def run(work, **environment):
    """In a place that is always the same at first."""
    place = work / "place"
    shutil.rmtree(place, ignore_errors=True)
    for folder in ("etc", "root/run/lock"):
        (place / folder).mkdir(parents=True)
    (place / "etc/old").write_text("old", encoding="ascii")
    (place / "etc/link").symlink_to("old")
    with open(place / "disk", "wb") as disk:
        disk.truncate(256 << 10)
        os.pwrite(disk.fileno(), b"x" * 4096, 4096)
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(place)], check=False, env={
        **os.environ, "LD_PRELOAD": str(LIBRARY), "CUT_SCOPE": str(place), "CUT_SKIP": str(place / "root/run"),
        **environment})
    return done.returncode, place


def test_copies():
    """each copy is what the kill leaves, and what is equal is kept once"""
    with tempfile.TemporaryDirectory(prefix="volumecrypt-cut-") as name:
        work = pathlib.Path(name)
        states = work / "states"
        states.mkdir()
        status, _ = run(work, CUT_SNAPSHOTS=str(states))
        tap.equal(status, 0)
        points = points_of(states)
        assert len(points) > 20 and {point.mode for point in points} == {"kill", "torn", "lost", "reorder"}, points
        for point in points:
            status, place = run(work, CUT_AT=str(point.number), CUT_MODE=point.mode)
            tap.equal((str(point), status), (str(point), -signal.SIGKILL))
            left, kept = content(place), content(states / point.state)
            differing = [one for one in left.keys() | kept.keys() if left.get(one) != kept.get(one)]
            tap.equal((str(point), differing), (str(point), []))
        kept = [content(states / state) for state in {point.state for point in points}]
        assert len(kept) < len(points), "nothing is equal"
        assert not any(one in kept[:number] for number, one in enumerate(kept)), "a state is kept twice"


if __name__ == "__main__":
    tap.run(tap.tests_of(globals()))
